import { Injectable } from '@nestjs/common';
import { inParallel } from '../../common/in-parallel';
import { FieldsService } from '../../fields/fields.service';
import { derive, partitionsWithCopies } from '../derive';
import type { StoredRecord } from '../record';
import { allDefinitions, type RecordDefinition } from '../record-definition';
import { RecordWriter } from '../writing/record-writer.service';
import { allBuckets, type DerivedRow, indexOf, rowKey } from '../store/derived-rows';
import { DerivedRowsRepository } from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';
import { RecordIdsRepository } from '../store/record-ids.repository';
import { RecordsRepository } from '../store/records.repository';
import { TotalSumsRepository } from '../store/total-sums.repository';
import { comparePartition, ExpectedRows, faultOf, hasWrongSum, type Suspect } from './verification';

/** Records that are worked on at a time: a command must leave room for the requests of users. */
export const AT_ONCE = 8;

/**
 * What verifying found wrong: a row that is missing, of another version, or follows from nothing; or a
 * partition that is too large, or whose kept sum is not that of its rows.
 */
export interface Fault {
  object: string;
  id: string;
  list: string;
  fault: 'missing' | 'outdated' | 'stray' | 'miscounted' | 'oversized';
}

/** How much was looked at. */
interface Seen {
  records: number;
  rows: number;
  partitions: number;
  /** Rows of the largest partition. */
  largest: number;
}

export interface VerifyReport extends Seen {
  faults: Fault[];
}

/** What is done about a fault, and about the row and the record of it. @returns whether to go on */
type See = (fault: Fault, row?: DerivedRow, record?: StoredRecord) => boolean | Promise<boolean>;

/** A fault list is for a person: beyond this only the number matters. */
const FAULTS_MAX = 100;
/** Rows a partition can have before reading it gets slow for everybody. */
const PARTITION_MAX = 100_000;
/** Records whose rows are kept in memory to be compared, unless a bucket has more: some 180 MB. */
const SLICE_RECORDS = 25_000;

/** Work on all records of an organization: repairing and verifying what follows from them. */
@Injectable()
export class Maintenance {
  constructor(
    private readonly records: RecordsRepository,
    private readonly ids: RecordIdsRepository,
    private readonly derived: DerivedRowsRepository,
    private readonly totals: TotalSumsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly fields: FieldsService,
    private readonly writer: RecordWriter,
  ) {}

  /**
   * Derives every record anew, from its whole history. What an older backup has of a record whose history is
   * gone is taken away where it would show: from the lists of all.
   * @returns the number of records
   */
  async repair(organizationId: string, progress: (records: number) => void): Promise<number> {
    let done = 0;
    for (const definition of allDefinitions()) {
      for await (const records of this.walk(organizationId, definition)) {
        await inParallel(records, AT_ONCE, (record) => this.writer.settle(definition, record, 0));
        done += records.length;
        progress(done);
      }
    }
    await this.inspect(organizationId, async ({ fault }, row, record) => {
      if (fault === 'stray' && row && record) await this.writer.remove(record, [row]);
      return true;
    });
    return done;
  }

  /**
   * Compares every derived row with the record it follows from. What looks wrong is looked at again;
   * still, a write that is just under way can be reported.
   */
  async verify(
    organizationId: string,
    progress: (records: number) => void = () => undefined,
  ): Promise<VerifyReport> {
    const faults: Fault[] = [];
    const see = (fault: Fault) => {
      if (faults.length < FAULTS_MAX) faults.push(fault);
      return faults.length < FAULTS_MAX;
    };
    return { ...(await this.inspect(organizationId, see, progress)), faults };
  }

  /** Looks at every derived row, and tells `see` what is wrong. @returns how much it has looked at */
  private async inspect(
    organizationId: string,
    see: See,
    progress: (records: number) => void = () => undefined,
  ): Promise<Seen> {
    const seen: Seen = { records: 0, rows: 0, partitions: 0, largest: 0 };
    let looked = 0;
    for (const definition of allDefinitions()) {
      const { object } = definition;
      const records = await this.ids.count(organizationId, object);
      const { readBuckets, writeBuckets } = await this.layouts.find(organizationId, object);
      for (const buckets of new Set([readBuckets, ...writeBuckets])) {
        const isFirst = buckets === readBuckets;
        // Records of one bucket are compared at once, and of more where they are few.
        const slices = Math.min(buckets, Math.ceil(records / SLICE_RECORDS));
        for (let slice = 0; slice < slices; slice++) {
          const inSlice = (id: string) => indexOf(id, buckets) % slices === slice;
          const expected = new ExpectedRows(organizationId, object, buckets);
          for await (const some of this.walk(organizationId, definition, inSlice)) {
            await this.expect(definition, some, expected);
            if (isFirst) seen.records += some.length;
            looked += some.length;
            progress(looked);
          }
          // Rows that show a record are looked for also where none should be.
          const ofSlice = allBuckets(buckets).filter((_, index) => index % slices === slice);
          for (const one of partitionsWithCopies(definition, ofSlice)) expected.lookAt(one);
          await this.compare(definition, expected, seen, see);
        }
      }
    }
    return seen;
  }

  /** All records of an object, or those whose ids are wanted, a page at a time, in whatever state. */
  async *walk(
    organizationId: string,
    { object }: RecordDefinition,
    isWanted: (id: string) => boolean = () => true,
  ): AsyncGenerator<StoredRecord[]> {
    for await (const ids of this.ids.walk(organizationId, object)) {
      const records = await this.records.findMany(organizationId, object, ids.filter(isWanted));
      yield [...records.values()].filter(({ state }) => state !== 'fenced');
    }
  }

  /** Every row that a record has, or had in any of its versions. */
  async everyRow(definition: RecordDefinition, record: StoredRecord): Promise<DerivedRow[]> {
    const { rows, stale } = await this.writer.rowsOf(definition, record);
    return [...rows, ...stale];
  }

  private async expect(
    definition: RecordDefinition,
    records: readonly StoredRecord[],
    expected: ExpectedRows,
  ): Promise<void> {
    await inParallel(records, AT_ONCE, async (record) => {
      const { rows, stale } = await this.writer.rowsOf(definition, record);
      expected.add(record, rows, [...rows, ...stale]);
    });
  }

  private async compare(
    definition: RecordDefinition,
    expected: ExpectedRows,
    seen: Seen,
    see: See,
  ): Promise<void> {
    await inParallel(expected.all(), AT_ONCE, async (one) => {
      const { size, suspects } = await comparePartition(this.derived, one);
      seen.partitions++;
      seen.rows += size;
      seen.largest = Math.max(seen.largest, size);
      const { object, bucket, list } = one.partition;
      if (size > PARTITION_MAX) await see({ object, id: bucket, list, fault: 'oversized' });
      if (one.table === 'total_rows' && (await hasWrongSum(this.totals, one.partition))) {
        await see({ object, id: bucket, list, fault: 'miscounted' });
      }
      for (const suspect of suspects) {
        const { fault, record } = await this.lookAgain(definition, suspect);
        const { id, row } = suspect;
        if (fault && !(await see({ object, id, list, fault }, row, record))) break;
      }
    });
  }

  /** Between a record and its rows time has passed: what was written meanwhile is no fault. */
  private async lookAgain(definition: RecordDefinition, { partition, row, id }: Suspect) {
    const { organizationId, object } = partition;
    const record = await this.records.find({ organizationId, object, id });
    // Those of now: what follows from a field that is new here must not look like a stray.
    const fields = await this.fields.of(organizationId, object, true);
    const key = rowKey(row);
    const rows = record ? derive(definition, record, fields) : [];
    const stored = await this.derived.find(partition, row, id);
    const expected = rows.find((one) => rowKey(one) === key);
    return { fault: faultOf(stored, record, expected), record };
  }
}
