import { Injectable } from '@nestjs/common';
import { contended } from '../../common/errors';
import { ClaimsService } from '../writing/claims.service';
import {
  duplicateField,
  mergedFields,
  mergedIdsOf,
  parted,
  undoneMark,
  united,
  withMark,
  withoutValues,
} from './merge';
import type { Actor, Draft, RecordData, StoredRecord } from '../record';
import { type RecordDefinition, uniquesOf } from '../record-definition';
import { RecordUpdater } from '../writing/record-updater.service';
import { RecordWriter } from '../writing/record-writer.service';
import type { RecordKey } from '../store/records.repository';

const ATTEMPTS = 12;

/** What a merge, and taking it back, does to the winner. */
@Injectable()
export class MergeWinner {
  constructor(
    private readonly writer: RecordWriter,
    private readonly updater: RecordUpdater,
    private readonly claims: ClaimsService,
  ) {}

  /** Gives the winner what only its losers have, unless it has it, or is not to have it any more. */
  async takeIn(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    losers: readonly StoredRecord[],
    mergeId: string,
  ): Promise<StoredRecord> {
    /** Values that somebody else took in the moment between the loser and the winner. */
    const taken = new Set<string>();
    const decide = (base: StoredRecord): Draft | undefined => {
      const known = base.data.merged_ids ?? [];
      const undone = base.data.unmerged ?? [];
      const missing = losers.filter(
        ({ id }) => !known.includes(id) && !undone.includes(undoneMark(mergeId, id)),
      );
      if (base.state !== 'live' || missing.length === 0) return undefined;
      const lost = missing.map(({ data }) => withoutValues(data, taken));
      const data = united(base.data, lost, mergedFields(definition));
      data.merged_ids = [
        ...known,
        ...missing.flatMap(({ id, data: { merged_ids } }) => [id, ...(merged_ids ?? [])]),
      ];
      return { state: 'live', data, kind: 'merged' };
    };
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.updater.update(actor, definition, key, decide);
      } catch (error) {
        const field = duplicateField(error);
        if (field === undefined || attempt > ATTEMPTS) throw error;
        for (const { data } of losers) {
          for (const unique of uniquesOf(
            definition,
            { state: 'live', data },
            Object.keys(data.custom),
          )) {
            if (unique.field !== field) continue;
            const owner = await this.claims.owner(definition, key.organizationId, unique);
            if (owner && owner.id !== key.id) taken.add(unique.value);
          }
        }
      }
    }
  }

  /** Takes from the winner what it has from a loser, and sees to it that it gets nothing any more. */
  async giveUp(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    loser: StoredRecord,
    mergeId: string,
  ): Promise<void> {
    const mark = undoneMark(mergeId, loser.id);
    const isDone = (winner: StoredRecord) =>
      winner.state === 'purged' || winner.data.unmerged?.includes(mark) === true;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const before = await this.beforeMerge(key, loser.id);
      const winner = await this.updater.update(actor, definition, key, (base) => {
        const { state, data: own } = base;
        const known = own.merged_ids ?? [];
        const isIn = known.includes(loser.id);
        // Taken in just now: then look once more what was there before.
        if (isDone(base) || state === 'purged' || state === 'fenced' || (isIn && !before)) {
          return undefined;
        }
        const data: RecordData =
          isIn && before ? parted(own, loser.data, before, mergedFields(definition)) : { ...own };
        if (isIn) {
          const gone = new Set([loser.id, ...mergedIdsOf(loser)]);
          data.merged_ids = known.filter((id) => !gone.has(id));
        }
        data.unmerged = withMark(own, mark);
        return { state, data, kind: 'unmerged' };
      });
      if (isDone(winner)) return;
    }
    throw contended();
  }

  /** What a winner had, in the fields that it changed, when it last took a loser in. */
  private async beforeMerge(
    key: RecordKey,
    loserId: string,
  ): Promise<Record<string, unknown> | undefined> {
    const has = (ids: unknown) => Array.isArray(ids) && ids.includes(loserId);
    const events = await this.writer.eventsSince(key, 1);
    const changes = events.find(
      ({ kind, changes: { merged_ids: ids } }) =>
        kind === 'merged' && has(ids?.to) && !has(ids?.from),
    )?.changes;
    return (
      changes &&
      Object.fromEntries(Object.entries(changes).map(([field, { from }]) => [field, from]))
    );
  }
}
