import { Injectable } from '@nestjs/common';
import { AppError, contended } from '../../common/errors';
import { isReplay, newId } from '../../common/operation';
import type { Principal } from '../../common/principal';
import { FieldsService } from '../../fields/fields.service';
import { ClaimsService, duplicate } from '../writing/claims.service';
import {
  duplicateField,
  type MergeData,
  type MergedData,
  mergedFields,
  mergedIdsOf,
  merges,
  undoneMark,
  united,
  withMark,
} from './merge';
import { MergeReferences } from './merge-references.service';
import { MergeWinner } from './merge-winner.service';
import type { Actor, Draft, RecordData, StoredRecord } from '../record';
import { canRead, demand } from '../record-access';
import { parseRecord, writablePart } from '../record-body';
import { definitionOf, type RecordDefinition, uniquesOf } from '../record-definition';
import { RecordUpdater } from '../writing/record-updater.service';
import { RecordWriter } from '../writing/record-writer.service';
import { type RecordKey, RecordsRepository } from '../store/records.repository';
import { newIntent, WriteIntentsRepository } from '../store/write-intents.repository';

/** Merged records are looked up for the story of the winner: that must stay a page's work. */
const MERGED_MAX = 50;

/**
 * Merges records and takes merges back. A merge is a record itself, and every step of it can be done
 * again: it is noted before it begins, and the sweeper finishes what was cut off. It also looks once
 * more, a while later, for references that were just being written.
 */
@Injectable()
export class RecordMerges {
  constructor(
    private readonly records: RecordsRepository,
    private readonly writer: RecordWriter,
    private readonly updater: RecordUpdater,
    private readonly winner: MergeWinner,
    private readonly references: MergeReferences,
    private readonly intents: WriteIntentsRepository,
    private readonly claims: ClaimsService,
    private readonly fields: FieldsService,
  ) {}

  /**
   * Merges losers into a winner, which keeps what it has and gets what only they have.
   * @throws AppError NOT_FOUND, FORBIDDEN, UNPROCESSABLE where the result would not be a valid record
   */
  async merge(
    caller: Principal,
    definition: RecordDefinition,
    winner: StoredRecord,
    loserIds: readonly string[],
    checkMerge: (losers: readonly StoredRecord[]) => Promise<void> | undefined,
  ): Promise<StoredRecord> {
    const { organizationId } = caller;
    const mergeId = newId('merge');
    const key = { organizationId, object: merges.object, id: mergeId };
    const begun = isReplay() ? await this.records.find(key, true) : undefined;
    if (!begun) {
      await checkMerge(await this.check(caller, definition, winner, loserIds));
      const data: MergeData = {
        owner_id: caller.userId,
        tags: [],
        custom: {},
        external_ids: {},
        object: definition.object,
        winner_id: winner.id,
        loser_ids: [...loserIds],
      };
      await this.note(organizationId, mergeId, '');
      const draft: Draft = { state: 'live', data, kind: 'created' };
      await this.writer.write(merges, caller, key, undefined, draft, newId('merge operation'));
    }
    // Another merge has taken all of them in the meantime: as if this one had come after it.
    if (!(await this.run(organizationId, mergeId))) throw new AppError('NOT_FOUND');
    const merged = await this.records.find(winner);
    if (merged?.state !== 'live') throw contended();
    return merged;
  }

  /**
   * Does what of a merge is not done yet, and undoes the rest of one that is being taken back.
   * @returns whether any of the losers is, or was, the merge's own
   */
  async run(organizationId: string, mergeId: string): Promise<boolean> {
    const key = { organizationId, object: merges.object, id: mergeId };
    const merge = await this.records.find(key, true);
    if (merge?.state !== 'live') return true;
    const data = merge.data as MergeData;
    const definition = definitionOf(data.object);
    const by = { userId: merge.createdBy };
    const winnerKey = { organizationId, object: data.object, id: data.winner_id };
    const losers: StoredRecord[] = [];
    let took = false;
    for (const id of data.loser_ids) {
      const loser = await this.bury(by, definition, { ...winnerKey, id }, data.winner_id, mergeId);
      const isOurs = loser.state === 'merged' && (loser.data as MergedData).merge_id === mergeId;
      if (isOurs) losers.push(loser);
      took ||= isOurs || isUndone(loser, mergeId);
    }
    const winner = await this.winner.takeIn(by, definition, winnerKey, losers, mergeId);
    for (const loser of losers) {
      if (winner.data.merged_ids?.includes(loser.id)) {
        await this.references.turnToWinner(by, loser, { winnerId: winner.id, mergeId });
      } else {
        // The winner has been deleted or merged itself: nobody's data must go with it.
        await this.free(by, definition, winnerKey, loser, mergeId).catch((error: unknown) => {
          if (duplicateField(error) === undefined) throw error;
        });
      }
    }
    return took;
  }

  /**
   * Gives a loser its own life back, with what the winner has from it and what referred to it.
   * @throws AppError FORBIDDEN where the winner is not the caller's to change, DUPLICATE where a
   * unique value of the loser has gone to somebody else
   */
  async undo(
    caller: Principal,
    definition: RecordDefinition,
    loser: StoredRecord,
  ): Promise<StoredRecord> {
    const { organizationId } = caller;
    const { merged_into: winnerId, merge_id: mergeId } = loser.data as MergedData;
    const winnerKey = { organizationId, object: definition.object, id: winnerId };
    // It loses what it has from the loser: whoever may change the loser may not therefore change it.
    const winner = await this.records.find(winnerKey);
    const isGone = !winner || winner.state === 'purged' || winner.state === 'fenced';
    if (!isGone) demand(caller, definition, 'update', winner.data);
    await this.checkFree(definition, loser, winnerId);
    await this.note(organizationId, mergeId, JSON.stringify({ loserId: loser.id, winnerId }));
    return this.free(caller, definition, winnerKey, loser, mergeId);
  }

  private async free(
    actor: Actor,
    definition: RecordDefinition,
    winnerKey: RecordKey,
    loser: StoredRecord,
    mergeId: string,
  ): Promise<StoredRecord> {
    await this.winner.giveUp(actor, definition, winnerKey, loser, mergeId);
    const own = await this.references.followed(definition, loser);
    const freed = await this.updater.update(actor, definition, loser, (base) => {
      const isOurs = base.state === 'merged' && (base.data as MergedData).merge_id === mergeId;
      if (!isOurs) return undefined;
      const unmerged = withMark(base.data, undoneMark(mergeId, loser.id));
      const data: RecordData = { ...own, unmerged };
      for (const field of ['merged_into', 'merge_id']) Reflect.deleteProperty(data, field);
      return { state: 'live', data, kind: 'unmerged' };
    });
    await this.references.giveBack(actor, freed, { winnerId: winnerKey.id, mergeId });
    return freed;
  }

  /** For the sweeper: it finishes what is cut off, and looks once more for what was on its way. */
  private async note(organizationId: string, mergeId: string, detail: string): Promise<void> {
    const key = { organizationId, object: merges.object, id: mergeId };
    await this.intents.add({ ...newIntent(key), kind: 'merge', detail });
  }

  private async check(
    caller: Principal,
    definition: RecordDefinition,
    winner: StoredRecord,
    loserIds: readonly string[],
  ): Promise<StoredRecord[]> {
    demand(caller, definition, 'update', winner.data);
    const { organizationId } = caller;
    const found = await this.records.findMany(organizationId, definition.object, loserIds);
    const losers = loserIds.map((id) => {
      const loser = found.get(id);
      if (loser?.state !== 'live' || !canRead(caller, definition, loser)) {
        throw new AppError('NOT_FOUND');
      }
      demand(caller, definition, 'delete', loser.data);
      return loser;
    });
    const merged = [...(winner.data.merged_ids ?? []), ...losers.flatMap(mergedIdsOf)];
    if (merged.length > MERGED_MAX) {
      throw new AppError('UNPROCESSABLE', {
        message: `A record can take in ${String(MERGED_MAX)} others at most.`,
      });
    }
    const fields = await this.fields.of(organizationId, definition.object);
    const data = united(
      winner.data,
      losers.map((loser) => loser.data),
      mergedFields(definition),
    );
    try {
      parseRecord(definition, fields, writablePart(definition, data));
      return losers;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new AppError('UNPROCESSABLE', {
        message: 'The merged record would not be valid.',
        details: error.details,
      });
    }
  }

  /** Takes a loser out of the lists, and its unique values from it. */
  private async bury(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    winnerId: string,
    mergeId: string,
  ): Promise<StoredRecord> {
    return this.updater.update(actor, definition, key, (base) => {
      if (base.state !== 'live' || isUndone(base, mergeId)) return undefined;
      const data = { ...base.data, merged_into: winnerId, merge_id: mergeId };
      return { state: 'merged', data, kind: 'merged_into' };
    });
  }

  /** @throws AppError DUPLICATE where a unique value of a loser has gone to somebody else */
  private async checkFree(
    definition: RecordDefinition,
    loser: StoredRecord,
    winnerId: string,
  ): Promise<void> {
    const fields = await this.fields.of(loser.organizationId, definition.object);
    const keys = fields.filter(({ unique }) => unique).map(({ key }) => key);
    for (const unique of uniquesOf(definition, { state: 'live', data: loser.data }, keys)) {
      const owner = await this.claims.owner(definition, loser.organizationId, unique);
      if (owner && owner.id !== winnerId && owner.id !== loser.id)
        throw duplicate(unique, owner.id);
    }
  }
}

/** Whether a record was taken out of this merge again. */
function isUndone({ id, data }: StoredRecord, mergeId: string): boolean {
  return data.unmerged?.includes(undoneMark(mergeId, id)) ?? false;
}
