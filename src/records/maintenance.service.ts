import { Injectable } from '@nestjs/common';
import { inParallel } from '../common/in-parallel';
import { FieldsService } from '../fields/fields.service';
import { derive, deriveStale } from './derive';
import type { StoredRecord } from './record';
import { allDefinitions, type RecordDefinition } from './record-definition';
import { RecordWriter } from './record-writer.service';
import { bucketOf, type DerivedRow, rowKey } from './store/derived-rows';
import { DerivedRowsRepository, type DerivedPartition } from './store/derived-rows.repository';
import { LayoutsRepository } from './store/layouts.repository';
import { RecordIdsRepository } from './store/record-ids.repository';
import { RecordsRepository } from './store/records.repository';

const PAGE = 500;
const HIGHEST = '\u{10FFFF}\u{10FFFF}';
/** Records that are worked on at a time: a command must leave room for the requests of users. */
export const AT_ONCE = 8;

/** What verifying found wrong: a row that is missing, of another version, or follows from nothing. */
export interface Fault {
  object: string;
  id: string;
  list: string;
  fault: 'missing' | 'outdated' | 'stray' | 'oversized';
}

export interface VerifyReport {
  records: number;
  rows: number;
  partitions: number;
  /** Rows of the largest partition. */
  largest: number;
  faults: Fault[];
}

/** A fault list is for a person: beyond this only the number matters. */
const FAULTS_MAX = 100;
/** Rows a partition can have before reading it gets slow for everybody. */
const PARTITION_MAX = 100_000;

/** Work on all records of an organization: repairing and verifying what follows from them. */
@Injectable()
export class Maintenance {
  constructor(
    private readonly records: RecordsRepository,
    private readonly ids: RecordIdsRepository,
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly fields: FieldsService,
    private readonly writer: RecordWriter,
  ) {}

  /** Derives every record anew, from its whole history. @returns the number of records */
  async repair(organizationId: string, progress: (records: number) => void): Promise<number> {
    let done = 0;
    for (const definition of allDefinitions()) {
      for await (const records of this.walk(organizationId, definition)) {
        await inParallel(records, AT_ONCE, (record) => this.writer.settle(definition, record, 0));
        done += records.length;
        progress(done);
      }
    }
    return done;
  }

  /**
   * Compares every derived row with the record it follows from. Meant for a moment without writes:
   * a write under way looks like a fault.
   */
  async verify(
    organizationId: string,
    progress: (records: number) => void = () => undefined,
  ): Promise<VerifyReport> {
    const report: VerifyReport = { records: 0, rows: 0, partitions: 0, largest: 0, faults: [] };
    for (const definition of allDefinitions()) {
      await this.verifyObject(organizationId, definition, report, progress);
    }
    return report;
  }

  /** All records of an object, a page at a time, in whatever state. */
  async *walk(
    organizationId: string,
    { object }: RecordDefinition,
  ): AsyncGenerator<StoredRecord[]> {
    for await (const ids of this.ids.walk(organizationId, object)) {
      const records = await this.records.findMany(organizationId, object, ids);
      yield [...records.values()].filter(({ state }) => state !== 'fenced');
    }
  }

  /** Every row that a record has, or had in any of its versions. */
  async everyRow(definition: RecordDefinition, record: StoredRecord): Promise<DerivedRow[]> {
    const fields = await this.fields.of(record.organizationId, definition.object);
    const rows = derive(definition, record, fields);
    if (record.version === 1) return rows;
    const events = await this.writer.eventsSince(record, 0);
    return [...rows, ...deriveStale(definition, record, fields, events)];
  }

  private async verifyObject(
    organizationId: string,
    definition: RecordDefinition,
    report: VerifyReport,
    progress: (records: number) => void,
  ): Promise<void> {
    const { object } = definition;
    const fields = await this.fields.of(organizationId, object, true);
    const { readBuckets, writeBuckets } = await this.layouts.find(organizationId, object);
    const layouts = new Set([readBuckets, ...writeBuckets]);
    const partitions = new Map<string, Omit<DerivedPartition, 'organizationId' | 'object'>>();
    const expected = new Map<number, number>();
    const note = (id: string, row: DerivedRow) => {
      for (const buckets of layouts) {
        const bucket = bucketOf(id, buckets);
        partitions.set(`${row.table} ${bucket} ${row.list}`, { list: row.list, bucket });
      }
    };
    for await (const records of this.walk(organizationId, definition)) {
      await inParallel(records, AT_ONCE, async (record) => {
        const rows = derive(definition, record, fields);
        for (const row of rows) note(record.id, row);
        for (const buckets of layouts) {
          expected.set(buckets, (expected.get(buckets) ?? 0) + rows.length);
        }
        // Where it once was, a row may have been left.
        for (const row of await this.everyRow(definition, record)) note(record.id, row);
      });
      report.records += records.length;
      progress(report.records);
    }
    const found = new Map<number, number>();
    for (const [name, { list, bucket }] of partitions) {
      const partition = { organizationId, object, list, bucket };
      const table = name.startsWith('total_rows') ? 'total_rows' : 'list_rows';
      const rows = await this.verifyPartition(definition, partition, table, report);
      const buckets = Number(bucket.split('.')[0]);
      found.set(buckets, (found.get(buckets) ?? 0) + rows);
      report.partitions++;
      report.rows += rows;
      report.largest = Math.max(report.largest, rows);
      if (rows > PARTITION_MAX) add(report, { object, id: bucket, list, fault: 'oversized' });
    }
    for (const [buckets, count] of expected) {
      if ((found.get(buckets) ?? 0) === count) continue;
      await this.findMissing(organizationId, definition, buckets, report);
    }
  }

  /** Looks at every row of a partition. @returns how many stand as they should */
  private async verifyPartition(
    definition: RecordDefinition,
    partition: DerivedPartition,
    table: DerivedRow['table'],
    report: VerifyReport,
  ): Promise<number> {
    const { organizationId, object, list } = partition;
    const fields = await this.fields.of(organizationId, object);
    let good = 0;
    for await (const rows of this.rowsOf(partition, table)) {
      const ids = rows.map(({ id }) => id);
      const records = await this.records.findMany(organizationId, object, ids);
      for (const { id, version, row } of rows) {
        const record = records.get(id);
        const key = rowKey(row);
        const stands =
          record && derive(definition, record, fields).find((one) => rowKey(one) === key);
        const amounts =
          stands?.table === 'total_rows' && row.table === 'total_rows'
            ? stands.amount === row.amount
            : true;
        if (!stands) add(report, { object, id, list, fault: 'stray' });
        else if (version !== record.version || !amounts) {
          add(report, { object, id, list, fault: 'outdated' });
        } else good++;
      }
    }
    return good;
  }

  private async *rowsOf(
    partition: DerivedPartition,
    table: DerivedRow['table'],
  ): AsyncGenerator<{ id: string; version: number; row: DerivedRow }[]> {
    const { list } = partition;
    if (table === 'total_rows') {
      for await (const rows of this.derived.walkTotals(partition, PAGE)) {
        yield rows.map(({ id, version, amount, groups }) => {
          const [a = '', b = '', c = '', d = '', e = ''] = groups;
          return { id, version, row: { table, list, groups: [a, b, c, d, e], amount } };
        });
      }
      return;
    }
    for (let from = { sortKey: '', id: '' }; ;) {
      const range = { from, endKey: HIGHEST, descending: false };
      const rows = await this.derived.listBucket(partition, range, PAGE);
      const last = rows.at(-1);
      if (!last) return;
      yield rows.map(({ id, version, sortKey }) => ({
        id,
        version,
        row: { table, list, sortKey },
      }));
      if (rows.length < PAGE) return;
      from = last;
    }
  }

  private async findMissing(
    organizationId: string,
    definition: RecordDefinition,
    buckets: number,
    report: VerifyReport,
  ): Promise<void> {
    const { object } = definition;
    const fields = await this.fields.of(organizationId, object);
    for await (const records of this.walk(organizationId, definition)) {
      await inParallel(records, AT_ONCE, async (record) => {
        const bucket = bucketOf(record.id, buckets);
        for (const row of derive(definition, record, fields)) {
          const partition = { organizationId, object, list: row.list, bucket };
          if (await this.derived.has(partition, row, record.id)) continue;
          add(report, { object, id: record.id, list: row.list, fault: 'missing' });
        }
      });
    }
  }
}

function add(report: VerifyReport, fault: Fault): void {
  if (report.faults.length < FAULTS_MAX) report.faults.push(fault);
}
