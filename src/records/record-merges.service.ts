import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import { AppError, contended } from '../common/errors';
import { derivedId, isReplay, newId } from '../common/operation';
import type { Principal } from '../common/principal';
import { remainingTime } from '../common/request-context';
import { FieldsService } from '../fields/fields.service';
import { ClaimsService, duplicate } from './claims.service';
import { giveBack } from './give-back';
import { listName, referenceScope } from './scopes';
import {
  type MergeData,
  type MergedData,
  merges,
  parted,
  undoneMark,
  united,
  withMark,
} from './merge';
import type { Actor, Draft, RecordData, StoredRecord } from './record';
import { canRead, demand } from './record-access';
import { parseRecord, writablePart } from './record-body';
import {
  allDefinitions,
  definitionOf,
  type RecordDefinition,
  type Reference,
  uniquesOf,
} from './record-definition';
import { RecordWriter } from './record-writer.service';
import { referencesOf } from './references';
import { DerivedRowsRepository } from './store/derived-rows.repository';
import { LayoutsRepository } from './store/layouts.repository';
import { MergeStepsRepository } from './store/merge-steps.repository';
import { type RecordKey, RecordsRepository } from './store/records.repository';
import { WriteIntentsRepository } from './store/write-intents.repository';

const ATTEMPTS = 12;
const PAGE = 200;
/** Merged records are looked up for the story of the winner: that must stay a page's work. */
const MERGED_MAX = 50;
const HIGHEST = '\u{10FFFF}';
/** Records that are turned at a time. */
const AT_ONCE = 8;
/** Time of a request that is left for its answer. */
const RESERVE_MS = 2000;

/** What an intent says of a merge that is taken back for one loser. */
export interface UndoDetail {
  loserId: string;
  winnerId: string;
}

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
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly intents: WriteIntentsRepository,
    private readonly steps: MergeStepsRepository,
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
    await this.run(caller, mergeId);
    const merged = await this.records.find(winner);
    if (merged?.state !== 'live') throw contended();
    return merged;
  }

  /** Does what of a merge is not done yet. Nothing to do for one that was taken back. */
  async run(actor: Pick<Principal, 'organizationId' | 'userId'>, mergeId: string): Promise<void> {
    const { organizationId } = actor;
    const merge = await this.records.find(
      { organizationId, object: merges.object, id: mergeId },
      true,
    );
    if (merge?.state !== 'live') return;
    const data = merge.data as MergeData;
    const definition = definitionOf(data.object);
    const by = { userId: merge.createdBy };
    const winnerKey = { organizationId, object: data.object, id: data.winner_id };
    const losers: StoredRecord[] = [];
    for (const id of data.loser_ids) {
      const loser = await this.bury(by, definition, { ...winnerKey, id }, data.winner_id, mergeId);
      if (loser) losers.push(loser);
    }
    await this.enrich(by, definition, winnerKey, losers, mergeId);
    for (const loser of losers) {
      await this.repoint(by, definition, loser.id, data.winner_id, { organizationId, mergeId });
    }
  }

  /** Gives a loser its own life back, with what the winner has from it and what referred to it. */
  async undo(
    caller: Principal,
    definition: RecordDefinition,
    loser: StoredRecord,
  ): Promise<StoredRecord> {
    const { organizationId } = caller;
    const { merged_into: winnerId, merge_id: mergeId } = loser.data as MergedData;
    const winnerKey = { organizationId, object: definition.object, id: winnerId };
    const mark = undoneMark(mergeId, loser.id);
    await this.checkFree(definition, loser, winnerId);
    const undone: UndoDetail = { loserId: loser.id, winnerId };
    await this.note(organizationId, mergeId, JSON.stringify(undone));
    await this.impoverish(caller, definition, winnerKey, loser, mergeId);
    const restored = await this.update(caller, definition, loser, (base) => {
      if (base.state !== 'merged') return undefined;
      const data: RecordData = { ...base.data, unmerged: withMark(base.data, mark) };
      for (const field of ['merged_into', 'merge_id']) Reflect.deleteProperty(data, field);
      return { state: 'live', data, kind: 'unmerged' };
    });
    await this.turnBack(caller, restored, { winnerId, mergeId });
    return restored;
  }

  /** Turns what a merge has turned back to a loser that is on its own again. */
  async turnBack(
    actor: Actor,
    loser: StoredRecord,
    { winnerId, mergeId }: { winnerId: string; mergeId: string },
  ): Promise<void> {
    if (loser.state !== 'live') return;
    const { organizationId } = loser;
    for await (const steps of this.steps.walk(organizationId, mergeId, loser.id)) {
      const inTime = await eachInTime(steps, async ({ object, id }) => {
        const key = { organizationId, object, id };
        const sides = { winnerId, loserId: loser.id };
        await this.giveBack(actor, definitionOf(object), key, loser.object, sides);
      });
      if (!inTime) return;
    }
  }

  /** For the sweeper: it finishes what is cut off, and looks once more for what was on its way. */
  private async note(organizationId: string, mergeId: string, detail: string): Promise<void> {
    const intent = { organizationId, object: merges.object, recordId: mergeId };
    await this.intents.add({ ...intent, id: timeOrderedId(), kind: 'merge', detail });
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
      fieldNames(definition),
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
  ): Promise<StoredRecord | undefined> {
    const loser = await this.update(actor, definition, key, (base) => {
      const undone = base.data.unmerged?.includes(undoneMark(mergeId, key.id));
      if (base.state !== 'live' || undone) return undefined;
      const data = { ...base.data, merged_into: winnerId, merge_id: mergeId };
      return { state: 'merged', data, kind: 'merged_into' };
    });
    const isOurs = loser.state === 'merged' && (loser.data as MergedData).merge_id === mergeId;
    return isOurs ? loser : undefined;
  }

  private async enrich(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    losers: readonly StoredRecord[],
    mergeId: string,
  ): Promise<void> {
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
      const data = united(base.data, lost, fieldNames(definition));
      data.merged_ids = [
        ...known,
        ...missing.flatMap(({ id, data: { merged_ids } }) => [id, ...(merged_ids ?? [])]),
      ];
      return { state: 'live', data, kind: 'merged' };
    };
    for (let attempt = 1; ; attempt++) {
      try {
        await this.update(actor, definition, key, decide, derivedId(mergeId, 'winner'));
        return;
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

  /** Turns whatever refers to a loser to the winner. */
  private async repoint(
    actor: Actor,
    { object }: RecordDefinition,
    loserId: string,
    winnerId: string,
    { organizationId, mergeId }: { organizationId: string; mergeId: string },
  ): Promise<void> {
    for (const other of allDefinitions()) {
      const list = listName('created', referenceScope(object, loserId));
      const partition = { organizationId, object: other.object, list };
      let from = { sortKey: '', id: '' };
      for (;;) {
        const { readBuckets } = await this.layouts.get(organizationId, other.object);
        const range = { from, endKey: HIGHEST, descending: false };
        const rows = await this.derived.list(partition, readBuckets, range, PAGE);
        const inTime = await eachInTime(rows, async ({ id }) => {
          await this.steps.add(organizationId, mergeId, { loserId, object: other.object, id });
          const key = { organizationId, object: other.object, id };
          await this.turn(actor, other, key, object, [loserId, winnerId]);
        });
        if (!inTime) return;
        const last = rows.at(-1);
        if (!last || rows.length < PAGE) break;
        from = last;
      }
    }
  }

  /** Puts one id in the place of another in the references of a record. */
  private async turn(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    object: string,
    [from, to]: readonly [string, string],
  ): Promise<void> {
    const fields = await this.fields.of(key.organizationId, definition.object);
    const references = referencesOf(definition, fields).filter((one) => one.object === object);
    await this.update(actor, definition, key, (base) => {
      if (base.state !== 'live') return undefined;
      const data = references.reduce(
        (changed: RecordData, reference: Reference) =>
          reference.ids(changed).includes(from) ? reference.replace(changed, from, to) : changed,
        base.data,
      );
      return data === base.data ? undefined : { state: 'live', data, kind: 'repointed' };
    });
  }

  /** Gives a record back what `turn` took from it. */
  private async giveBack(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    object: string,
    sides: { winnerId: string; loserId: string },
  ): Promise<void> {
    const fields = await this.fields.of(key.organizationId, definition.object);
    const references = referencesOf(definition, fields).filter((one) => one.object === object);
    await this.update(actor, definition, key, async (base) => {
      if (base.state !== 'live') return undefined;
      const events = await this.writer.eventsSince(key, 1);
      const turns = events.filter(({ kind }) => kind === 'repointed').map(({ changes }) => changes);
      const data = references.reduce(
        (changed: RecordData, reference) => giveBack(reference, changed, turns, sides),
        base.data,
      );
      return data === base.data ? undefined : { state: 'live', data, kind: 'repointed' };
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

  /** Takes from the winner what it has from a loser. */
  private async impoverish(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    loser: StoredRecord,
    mergeId: string,
  ): Promise<void> {
    const winner = await this.records.find(key, true);
    if (winner?.state !== 'live') return;
    const events = await this.writer.eventsSince(key, 1);
    const operationId = derivedId(mergeId, 'winner');
    const event = events.find((one) => one.operationId === operationId);
    if (!event) return;
    const before = Object.fromEntries(
      Object.entries(event.changes).map(([field, { from }]) => [field, from]),
    );
    await this.update(actor, definition, key, (base) => {
      const known = base.data.merged_ids ?? [];
      if (base.state !== 'live' || !known.includes(loser.id)) return undefined;
      const data = parted(base.data, loser.data, before, fieldNames(definition));
      const gone = new Set([loser.id, ...mergedIdsOf(loser)]);
      data.merged_ids = known.filter((id) => !gone.has(id));
      data.unmerged = withMark(base.data, undoneMark(mergeId, loser.id));
      return { state: 'live', data, kind: 'unmerged' };
    });
  }

  /** Changes a record as it is now, however often somebody else is faster; nothing where decided so. */
  private async update(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    decide: (base: StoredRecord) => Draft | undefined | Promise<Draft | undefined>,
    operationId = timeOrderedId(),
  ): Promise<StoredRecord> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const base = await this.records.find(key, true);
      if (!base) throw new AppError('NOT_FOUND');
      const draft = await decide(base);
      if (!draft) return base;
      const written = await this.writer.write(definition, actor, key, base, draft, operationId);
      if (written) return written;
      await sleep(10 * attempt * (0.5 + Math.random()));
    }
    throw contended();
  }
}

/**
 * Does something with every item, unless the time of the request runs out: then the sweeper goes on.
 * @returns whether all of them are done
 */
async function eachInTime<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<boolean> {
  let next = 0;
  const one = async () => {
    while (next < items.length && remainingTime(RESERVE_MS) === RESERVE_MS) {
      const item = items[next++];
      if (item !== undefined) await work(item);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return next >= items.length;
}

const mergedIdsOf = ({ data }: StoredRecord) => data.merged_ids ?? [];

function fieldNames(definition: RecordDefinition): string[] {
  return [...Object.keys(definition.schema.shape), 'tags', 'custom', 'external_ids'];
}

function duplicateField(error: unknown): string | undefined {
  if (!(error instanceof AppError) || error.code !== 'DUPLICATE') return undefined;
  return (error.details as { field: string }).field;
}

/** The data without the values that have gone to somebody else: they stay with the loser. */
function withoutValues(data: RecordData, values: ReadonlySet<string>): RecordData {
  const keep = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      return value.filter((entry: unknown) => {
        const text =
          typeof entry === 'object' && entry !== null
            ? (entry as { value?: unknown }).value
            : entry;
        return typeof text !== 'string' || !values.has(text);
      });
    }
    return value;
  };
  const drop = (map: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(map).filter(([, value]) => !values.has(String(value))));
  const kept = Object.fromEntries(
    Object.entries(data).map(([field, value]) => [field, keep(value)]),
  );
  return {
    ...kept,
    custom: drop(data.custom),
    external_ids: drop(data.external_ids),
  } as RecordData;
}
