import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../../cassandra/cassandra.service';
import { contended } from '../../common/errors';
import { inParallel } from '../../common/in-parallel';
import { backOff } from '../back-off';
import { partitionsWithCopies } from '../derive';
import type { StoredRecord } from '../record';
import { AT_ONCE, Maintenance } from './maintenance.service';
import { allDefinitions, type RecordDefinition } from '../record-definition';
import { allBuckets, bucketOf } from '../store/derived-rows';
import { DerivedRowsRepository } from '../store/derived-rows.repository';
import {
  INITIAL_BUCKETS,
  type Layout,
  LAYOUT_CACHE_MS,
  LayoutsRepository,
} from '../store/layouts.repository';
import { RecordIdsRepository } from '../store/record-ids.repository';
import { RecordsRepository } from '../store/records.repository';
import { RecordWriter } from '../writing/record-writer.service';

/** Every process has looked at the layout again after this, and clocks need not agree for it. */
const SETTLED_MS = 3 * LAYOUT_CACHE_MS;
/**
 * Records in a bucket from which on it should grow: half of what a partition may have, since a
 * record can stand more than once under the beginning of a word.
 */
const BUCKET_RECORDS = 50_000;

/** The buckets that so many records of one object need, when they have `from` now. */
export function bucketsFor(records: number, from = INITIAL_BUCKETS): number {
  let buckets = from;
  while (records >= buckets * BUCKET_RECORDS) buckets *= 2;
  return buckets;
}

/**
 * Spreads the derived rows of an object over more buckets, while writes and reads go on:
 *
 * 1. rows are written to both spreads from now on;
 * 2. the rows of all records are copied to the new one;
 * 3. lists are read from the new one, rows still written to both;
 * 4. rows are written to the new one alone, and the old one is deleted.
 *
 * Between the steps it waits until every process knows. A run that was cut off is begun again where
 * the layout says; the times of derived rows make copying twice harmless.
 */
@Injectable()
export class Rebucketing {
  constructor(
    private readonly layouts: LayoutsRepository,
    private readonly records: RecordsRepository,
    private readonly derived: DerivedRowsRepository,
    private readonly ids: RecordIdsRepository,
    private readonly maintenance: Maintenance,
    private readonly writer: RecordWriter,
    private readonly cassandra: CassandraService,
  ) {}

  /**
   * Grows every object of an organization, or one, to at least `buckets`, or by as much as its
   * records need. It never shrinks.
   * @throws LeaseLostError while another process does the same
   */
  async grow(
    organizationId: string,
    buckets: number | undefined,
    object: string | undefined,
    log: (message: string) => void,
  ): Promise<void> {
    await this.cassandra.underLease(`rebucket-${organizationId}`, async () => {
      for (const definition of allDefinitions()) {
        if (object === undefined || definition.object === object) {
          await this.growObject(organizationId, definition, buckets, log);
        }
      }
    });
  }

  private async growObject(
    organizationId: string,
    definition: RecordDefinition,
    buckets: number | undefined,
    log: (message: string) => void,
  ): Promise<void> {
    const { object } = definition;
    const before = await this.layouts.find(organizationId, object);
    const [from = 1, begun] = before.writeBuckets;
    const count = await this.ids.count(organizationId, object);
    const wanted = buckets ?? bucketsFor(count, from);
    const to = begun ?? wanted;
    if (begun === undefined && wanted <= from) {
      log(`${object}: ${String(count)} records in ${String(from)} buckets, nothing to do`);
      return;
    }
    let current: Layout = before;
    const change = async (readBuckets: number, main: number, next: number | null) => {
      const layout = { readBuckets, buckets: main, nextBuckets: next };
      // Only on top of what this run has done: another one may have taken over.
      const changed = await this.layouts.set(organizationId, object, current, layout);
      if (!changed) throw contended();
      current = changed;
      await sleep(SETTLED_MS);
    };
    if (before.readBuckets === from) {
      const what = `${String(count)} records from ${String(from)} to ${String(to)} buckets`;
      log(`${object}: ${what}${begun === undefined ? '' : ', begun by an earlier run'}`);
      await change(from, from, to);
      const records = await this.copy(organizationId, definition, to);
      log(`${object}: ${String(records)} records copied`);
      await change(to, from, to);
    }
    await change(to, to, null);
    await this.drop(organizationId, definition, from);
    log(`${object}: done`);
    // What an earlier run had begun may not be enough.
    if (wanted > to) await this.growObject(organizationId, definition, wanted, log);
  }

  private async copy(
    organizationId: string,
    definition: RecordDefinition,
    buckets: number,
  ): Promise<number> {
    let count = 0;
    for await (const records of this.maintenance.walk(organizationId, definition)) {
      await inParallel(records, AT_ONCE, async (one) => {
        const record = await this.fenced(one);
        if (!record) return;
        const { rows, stale } = await this.writer.rowsOf(definition, record);
        // Stale: versions that one process has put there, and another one, which did not know of it yet, replaced.
        await this.derived.write(record, [buckets], rows, stale);
      });
      count += records.length;
    }
    return count;
  }

  /**
   * The record as it is when no write can commit any more that began before the new spread was known: it
   * would not have withdrawn the copies that are about to be in there. undefined: its organization is erased.
   */
  private async fenced(found: StoredRecord): Promise<StoredRecord | undefined> {
    let record: StoredRecord | undefined = found;
    for (let attempt = 1; record?.state === 'live'; attempt++) {
      if (await this.records.fence(record, record, randomId())) return record;
      await backOff(attempt);
      record = await this.records.find(record, true);
    }
    return record;
  }

  /** Deletes the rows of the old spread. Nobody reads it any more. */
  private async drop(
    organizationId: string,
    definition: RecordDefinition,
    buckets: number,
  ): Promise<void> {
    const { object } = definition;
    const dropped = new Set<string>();
    // These also where all records are purged, and lead nowhere any more.
    for (const { list, bucket } of partitionsWithCopies(definition, allBuckets(buckets))) {
      await this.derived.drop('list_rows', { organizationId, object, list, bucket });
      dropped.add(`list_rows ${bucket} ${list}`);
    }
    for await (const records of this.maintenance.walk(organizationId, definition)) {
      for (const record of records) {
        const bucket = bucketOf(record.id, buckets);
        for (const { table, list } of await this.maintenance.everyRow(definition, record)) {
          const name = `${table} ${bucket} ${list}`;
          if (dropped.has(name)) continue;
          dropped.add(name);
          await this.derived.drop(table, { organizationId, object, list, bucket });
        }
      }
    }
  }
}
