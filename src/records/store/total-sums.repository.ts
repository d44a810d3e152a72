import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CassandraService, type Statement } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import { bucketOf } from './derived-rows';
import {
  type DerivedFrom,
  type DerivedPartition,
  PARTITION,
  partitionKey,
} from './derived-rows.repository';

const addUp = defineQuery<TotalSumRow>(
  'total_rows.sum',
  `SELECT group1, group2, group3, group4, group5, count(amount) AS records, sum(amount) AS amount
   FROM total_rows WHERE ${PARTITION} GROUP BY group1, group2, group3, group4, group5 LIMIT :size`,
);
const find = defineQuery<KeptRow>(
  'total_sums.find',
  `SELECT writer, mark, kept FROM total_sums WHERE ${PARTITION}`,
);
const put = defineQuery(
  'total_sums.put',
  `INSERT INTO total_sums (organization_id, object, list, bucket, writer, kept)
   VALUES (:organization_id, :object, :list, :bucket, '', :kept) USING TTL :ttl`,
);
const mark = defineQuery(
  'total_sums.mark',
  `INSERT INTO total_sums (organization_id, object, list, bucket, writer, mark)
   VALUES (:organization_id, :object, :list, :bucket, :writer, :mark)
   USING TIMESTAMP :mark AND TTL :ttl`,
);

interface TotalSumRow {
  group1: string;
  group2: string;
  group3: string;
  group4: string;
  group5: string;
  records: { toString(): string };
  amount: { toString(): string };
}

interface KeptRow {
  writer: string;
  mark: { toString(): string } | null;
  kept: string | null;
}

/** Count and sum of one group of a total. */
export interface TotalSum {
  groups: readonly [string, string, string, string, string];
  records: number;
  amount: number;
}

/** What is kept of one bucket of a total. */
export interface KeptSums {
  /** The last change of every process, as text: the same until something changes. */
  marks: string;
  /** The sums, if they are kept and nothing has changed since. */
  current?: TotalSum[];
}

/** Groups of one total that are added up at once, in each bucket. */
const GROUPS_MAX = 20_000;
/** Groups whose sums are kept: more take longer to read as text than the event loop may be held up. */
const KEPT_GROUPS_MAX = 2_000;
/** How long sums are kept. What a process without marks changes, of an earlier release, shows after it. */
const KEPT_SECONDS = 600;
/**
 * Marks outlive what was kept before them, whatever the clocks say: else sums could look as if nothing
 * had changed.
 */
const MARK_SECONDS = 6 * KEPT_SECONDS;

/**
 * The sums of each bucket of a total, kept together with the marks that were there before it was
 * added up. A write leaves its mark after its rows and before its acknowledgement, so sums whose marks
 * are still those of the bucket have every acknowledged write in them. Who stores sums late
 * overwrites newer ones with some that nobody takes for current, and that is all.
 */
@Injectable()
export class TotalSumsRepository {
  /** One row for each process: what it writes itself it can put in order, whatever the clocks of others. */
  private readonly writer = randomUUID();
  private lastMark = 0;

  constructor(private readonly cassandra: CassandraService) {}

  /** Says that what a record adds to these totals has changed; to be called when its rows are written. */
  async mark(
    from: DerivedFrom,
    layouts: readonly number[],
    lists: ReadonlySet<string>,
  ): Promise<void> {
    this.lastMark = Math.max(this.lastMark + 1, Date.now() * 1000);
    const common = {
      organization_id: from.organizationId,
      object: from.object,
      writer: this.writer,
      mark: this.lastMark,
      ttl: MARK_SECONDS,
    };
    const statements = [...lists].flatMap((list) =>
      layouts.map((buckets): Statement => {
        return { query: mark, params: { ...common, list, bucket: bucketOf(from.id, buckets) } };
      }),
    );
    await this.cassandra.scatter(statements);
  }

  async find(partition: DerivedPartition): Promise<KeptSums> {
    const rows = await this.cassandra.run(find, partitionKey(partition));
    const marks = rows
      .filter(({ writer }) => writer !== '')
      .map((row) => `${row.writer} ${String(row.mark)}`)
      .join();
    const text = rows.find(({ writer }) => writer === '')?.kept;
    if (!text) return { marks };
    const kept = JSON.parse(text) as { marks: string; sums: TotalSum[] };
    return kept.marks === marks ? { marks, current: kept.sums } : { marks };
  }

  /** Adds up what is in a bucket: every row of it is read. */
  async addUp(partition: DerivedPartition): Promise<TotalSum[]> {
    const found = await this.cassandra.page(addUp, partitionKey(partition), GROUPS_MAX);
    // No sum is better than one of a part.
    if (found.length === GROUPS_MAX) {
      throw new Error(`The total ${partition.object} ${partition.list} has too many groups`);
    }
    return found.map((row) => ({
      groups: [row.group1, row.group2, row.group3, row.group4, row.group5],
      records: Number(row.records.toString()),
      amount: Number(row.amount.toString()),
    }));
  }

  /** @param marks those found before the sums were added up */
  async keep(partition: DerivedPartition, marks: string, sums: readonly TotalSum[]): Promise<void> {
    // Anybody can ask for totals that are nowhere: they cost nothing to add up.
    if (sums.length > KEPT_GROUPS_MAX || (sums.length === 0 && marks === '')) return;
    const kept = JSON.stringify({ marks, sums });
    await this.cassandra.run(put, { ...partitionKey(partition), kept, ttl: KEPT_SECONDS });
  }
}
