import { Injectable } from '@nestjs/common';
import { remainingTime } from '../../common/request-context';
import { FieldsService } from '../../fields/fields.service';
import { giveBack } from '../writing/give-back';
import type { MergedData } from './merge';
import type { Actor, EventKind, RecordData, StoredRecord } from '../record';
import {
  allDefinitions,
  definitionOf,
  type RecordDefinition,
  type Reference,
} from '../record-definition';
import { RecordUpdater } from '../writing/record-updater.service';
import { RecordWriter } from '../writing/record-writer.service';
import { referencesOf } from '../references';
import { listName, referenceScope } from '../scopes';
import { DerivedRowsRepository } from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';
import { MergeStepsRepository } from '../store/merge-steps.repository';
import { type RecordKey, RecordsRepository } from '../store/records.repository';

const PAGE = 200;
const HIGHEST = '\u{10FFFF}';
/** Records that are turned at a time. */
const AT_ONCE = 8;
/** Time of a request that is left for its answer. */
const RESERVE_MS = 2000;
/** Merges that are followed from one to the next. */
const CHAIN_MAX = 50;
/** Events in which a reference may have been turned. */
const TURNS = new Set<EventKind>(['repointed', 'restored', 'unmerged']);

interface Merge {
  winnerId: string;
  mergeId: string;
}

/** Whatever refers to a record that is merged refers to the winner, and back when it is undone. */
@Injectable()
export class MergeReferences {
  constructor(
    private readonly records: RecordsRepository,
    private readonly writer: RecordWriter,
    private readonly updater: RecordUpdater,
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly steps: MergeStepsRepository,
    private readonly fields: FieldsService,
  ) {}

  /** Turns whatever refers to a loser to the winner. */
  async turnToWinner(
    actor: Actor,
    { organizationId, object, id: loserId }: StoredRecord,
    { winnerId, mergeId }: Merge,
  ): Promise<void> {
    for (const other of allDefinitions()) {
      const list = listName('created', referenceScope(object, loserId));
      const partition = { organizationId, object: other.object, list };
      let from = { sortKey: '', id: '' };
      for (;;) {
        const range = { from, endKey: HIGHEST, descending: false };
        const rows = await this.layouts.reading(organizationId, other.object, (buckets) =>
          this.derived.list(partition, buckets, range, PAGE),
        );
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

  /** Turns what a merge has turned back to a loser that is on its own again. */
  async giveBack(actor: Actor, loser: StoredRecord, { winnerId, mergeId }: Merge): Promise<void> {
    if (loser.state !== 'live') return;
    const { organizationId } = loser;
    for await (const steps of this.steps.walk(organizationId, mergeId, loser.id)) {
      const inTime = await eachInTime(steps, async ({ object, id }) => {
        const key = { organizationId, object, id };
        const sides = { winnerId, loserId: loser.id };
        await this.giveBackTo(actor, definitionOf(object), key, loser.object, sides);
      });
      if (!inTime) return;
    }
  }

  /**
   * The data of a record that was away while others were merged: its references lead to the winners.
   * Undoing one of those merges turns them back.
   */
  async followed(definition: RecordDefinition, record: StoredRecord): Promise<RecordData> {
    const { organizationId, object, id } = record;
    const fields = await this.fields.of(organizationId, definition.object);
    let { data } = record;
    for (const reference of referencesOf(definition, fields)) {
      for (const loserId of reference.ids(data)) {
        let from = loserId;
        for (let depth = 0; depth < CHAIN_MAX; depth++) {
          const key = { organizationId, object: reference.object, id: from };
          const target = await this.records.find(key, true);
          if (target?.state !== 'merged') break;
          const { merged_into: to, merge_id: mergeId } = target.data as MergedData;
          await this.steps.add(organizationId, mergeId, { loserId: from, object, id });
          data = reference.replace(data, from, to);
          from = to;
        }
      }
    }
    return data;
  }

  /** Turns the references of a record that has come too late for the merges of what it refers to. */
  async follow(definition: RecordDefinition, record: StoredRecord): Promise<void> {
    if (record.state !== 'live') return;
    const data = await this.followed(definition, record);
    if (data === record.data) return;
    const actor = { userId: record.updatedBy };
    await this.updater.update(actor, definition, record, (base) =>
      base.version === record.version ? { state: 'live', data, kind: 'repointed' } : undefined,
    );
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
    await this.updater.update(actor, definition, key, (base) => {
      if (base.state !== 'live') return undefined;
      const data = references.reduce(
        (changed: RecordData, reference: Reference) =>
          reference.ids(changed).includes(from) ? reference.replace(changed, from, to) : changed,
        base.data,
      );
      return data === base.data ? undefined : { state: 'live', data, kind: 'repointed' };
    });
  }

  /** Gives a record the loser back where `turn`, or a late return, has put the winner. */
  private async giveBackTo(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    object: string,
    sides: { winnerId: string; loserId: string },
  ): Promise<void> {
    const fields = await this.fields.of(key.organizationId, definition.object);
    const references = referencesOf(definition, fields).filter((one) => one.object === object);
    await this.updater.update(actor, definition, key, async (base) => {
      if (base.state !== 'live') return undefined;
      const events = await this.writer.eventsSince(key, 1);
      const turns = events.filter(({ kind }) => TURNS.has(kind)).map(({ changes }) => changes);
      const data = references.reduce(
        (changed: RecordData, reference) => giveBack(reference, changed, turns, sides),
        base.data,
      );
      return data === base.data ? undefined : { state: 'live', data, kind: 'repointed' };
    });
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
