import { Injectable } from '@nestjs/common';
import { CassandraService, type Statement } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import { inChunks } from '../../common/in-chunks';
import { groupBy } from '../../common/group-by';
import { allBuckets, bucketOf, type DerivedRow, derivedTime, mayHaveCopy } from './derived-rows';
import { type ListedRow, type ListRange, inListOrder, shareOf } from './list-order';

const LIST = 'organization_id = :organization_id AND object = :object AND list = :list';
/** Where one of these is, in a statement; its parameters are those of `partitionKey`. */
export const PARTITION = `${LIST} AND bucket = :bucket`;

const putList = defineQuery(
  'list_rows.put',
  `INSERT INTO list_rows (organization_id, object, list, bucket, sort_key, id, version)
   VALUES (:organization_id, :object, :list, :bucket, :sort_key, :id, :version)
   USING TIMESTAMP :time`,
);
const putCopy = defineQuery(
  'list_rows.putCopy',
  `INSERT INTO list_rows (organization_id, object, list, bucket, sort_key, id, version, copy)
   VALUES (:organization_id, :object, :list, :bucket, :sort_key, :id, :version, :copy)
   USING TIMESTAMP :time`,
);
const withdrawCopy = defineQuery(
  'list_rows.withdrawCopy',
  `DELETE copy FROM list_rows USING TIMESTAMP :time WHERE ${PARTITION}
   AND sort_key = :sort_key AND id = :id`,
);
const removeList = defineQuery(
  'list_rows.remove',
  `DELETE FROM list_rows USING TIMESTAMP :time WHERE ${PARTITION}
   AND sort_key = :sort_key AND id = :id`,
);
const ascending = defineQuery<ListRowRow>(
  'list_rows.ascending',
  `SELECT bucket, sort_key, id, version, copy FROM list_rows WHERE ${LIST} AND bucket IN :buckets
   AND (sort_key, id) > (:from_key, :from_id) AND (sort_key) < (:end_key)
   ORDER BY sort_key ASC, id ASC PER PARTITION LIMIT :share LIMIT :size`,
);
const descending = defineQuery<ListRowRow>(
  'list_rows.descending',
  `SELECT bucket, sort_key, id, version, copy FROM list_rows WHERE ${LIST} AND bucket IN :buckets
   AND (sort_key, id) < (:from_key, :from_id) AND (sort_key) >= (:end_key)
   ORDER BY sort_key DESC, id DESC PER PARTITION LIMIT :share LIMIT :size`,
);
const dropList = defineQuery('list_rows.drop', `DELETE FROM list_rows WHERE ${PARTITION}`);
const dropTotal = defineQuery('total_rows.drop', `DELETE FROM total_rows WHERE ${PARTITION}`);
const findList = defineQuery<{ version: number; copy: string | null }>(
  'list_rows.find',
  `SELECT version, copy FROM list_rows WHERE ${PARTITION} AND sort_key = :sort_key AND id = :id`,
);
const putTotal = defineQuery(
  'total_rows.put',
  `INSERT INTO total_rows (organization_id, object, list, bucket, group1, group2, group3, group4,
     group5, id, amount, version)
   VALUES (:organization_id, :object, :list, :bucket, :group1, :group2, :group3, :group4,
     :group5, :id, :amount, :version)
   USING TIMESTAMP :time`,
);
const removeTotal = defineQuery(
  'total_rows.remove',
  `DELETE FROM total_rows USING TIMESTAMP :time WHERE ${PARTITION} AND group1 = :group1
   AND group2 = :group2 AND group3 = :group3 AND group4 = :group4 AND group5 = :group5 AND id = :id`,
);
const listTotals = defineQuery<TotalRowRow>(
  'total_rows.list',
  `SELECT group1, group2, group3, group4, group5, id, amount, version FROM total_rows
   WHERE ${PARTITION}
   AND (group1, group2, group3, group4, group5, id)
     > (:group1, :group2, :group3, :group4, :group5, :id) LIMIT :size`,
);
const findTotal = defineQuery<Pick<TotalRowRow, 'amount' | 'version'>>(
  'total_rows.find',
  `SELECT amount, version FROM total_rows WHERE ${PARTITION} AND group1 = :group1 AND group2 = :group2
   AND group3 = :group3 AND group4 = :group4 AND group5 = :group5 AND id = :id`,
);
/** Partitions in one statement: the node that is asked has others to answer. ScyllaDB refuses more than 100. */
const BUCKETS_AT_ONCE = 32;

interface ListRowRow {
  bucket: string;
  sort_key: string;
  id: string;
  version: number;
  copy: string | null;
}

interface TotalRowRow {
  group1: string;
  group2: string;
  group3: string;
  group4: string;
  group5: string;
  id: string;
  amount: { toString(): string };
  version: number;
}

/** A row, and which version of which record it was written for. */
export interface StoredRow {
  id: string;
  version: number;
  row: DerivedRow;
}

export interface StoredTotal {
  groups: string[];
  id: string;
  amount: number;
  version: number;
}

/** Which record, and which version of it, rows are derived from. */
export interface DerivedFrom {
  organizationId: string;
  object: string;
  id: string;
  createdAt: Date;
  version: number;
}

/** A list of an organization, spread over buckets. */
export interface DerivedList {
  organizationId: string;
  object: string;
  list: string;
}

/** Where derived rows are. */
export interface DerivedPartition extends DerivedList {
  bucket: string;
}

export function partitionKey({ organizationId, object, list, bucket }: DerivedPartition) {
  return { organization_id: organizationId, object, list, bucket };
}

/** Reads and writes derived rows. What they are is decided in derive.ts. */
@Injectable()
export class DerivedRowsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Writes the rows of a version and removes those of earlier ones, in every layout in use. */
  async write(
    from: DerivedFrom,
    layouts: readonly number[],
    rows: readonly DerivedRow[],
    stale: readonly DerivedRow[],
  ): Promise<void> {
    const statements = layouts.flatMap((buckets) => {
      const bucket = bucketOf(from.id, buckets);
      return [
        ...rows.map((row) => toStatement('put', from, bucket, row)),
        ...stale.map((row) => toStatement('remove', from, bucket, row)),
      ];
    });
    // Whoever reads meanwhile finds a record that changes its place in one of both, not in neither.
    await this.cassandra.scatter(statements, stale.length > 0 ? partitionOf : undefined);
  }

  /**
   * Takes the copies of a version out of its rows, for good: a deletion counts more than what is written
   * at the same time of the database, however late that is.
   */
  async withdrawCopies(
    from: DerivedFrom,
    layouts: readonly number[],
    rows: readonly DerivedRow[],
  ): Promise<void> {
    await this.cassandra.scatter(
      layouts.flatMap((buckets) => {
        const common = commonParams(from, bucketOf(from.id, buckets));
        return rows.filter(mayHaveCopy).map(({ list, sortKey }) => ({
          query: withdrawCopy,
          params: { ...common, list, sort_key: sortKey },
        }));
      }),
    );
  }

  /**
   * Rows of one list after (or, descending, before) a position, in order, from all of its buckets: a
   * statement for their shares of the page, and one more for each that had more than its share.
   */
  async list(
    list: DerivedList,
    buckets: number,
    range: ListRange,
    size: number,
  ): Promise<ListedRow[]> {
    const share = shareOf(size, buckets);
    const inOrder = (rows: ListedRow[]) => inListOrder(rows, range.descending).slice(0, size);
    const page = inOrder(await this.listBuckets(list, allBuckets(buckets), range, size, share));
    const byBucket = [...groupBy(page, ({ bucket }) => bucket)];
    const unfinished = byBucket.flatMap(([bucket, rows]) => {
      const from = rows.at(share - 1);
      const left = from ? size - 1 - page.indexOf(from) : 0;
      return from && left > 0 ? [{ bucket, from, left }] : [];
    });
    if (unfinished.length === 0) return page;
    const rest = await Promise.all(
      unfinished.map(({ bucket, from, left }) =>
        this.listBuckets(list, [bucket], { ...range, from }, left),
      ),
    );
    return inOrder([...page, ...rest.flat()]);
  }

  /** The first rows of these buckets, at most `share` of each; in order as far as one statement reaches. */
  async listBuckets(
    { organizationId, object, list }: DerivedList,
    buckets: readonly string[],
    { from, endKey, ...range }: ListRange,
    size: number,
    share = size,
  ): Promise<ListedRow[]> {
    const query = range.descending ? descending : ascending;
    const params = {
      ...{ organization_id: organizationId, object, list },
      ...{ from_key: from.sortKey, from_id: from.id, end_key: endKey },
    };
    const found = await Promise.all(
      inChunks(buckets, BUCKETS_AT_ONCE).map((some) =>
        this.cassandra.page(query, { ...params, buckets: some, share }, size),
      ),
    );
    return found.flat().map(({ sort_key, ...row }) => ({ ...row, sortKey: sort_key }));
  }

  /** Deletes a whole partition, for good: under a spread that is never used again. */
  async drop(table: DerivedRow['table'], partition: DerivedPartition): Promise<void> {
    await this.cassandra.run(table === 'list_rows' ? dropList : dropTotal, partitionKey(partition));
  }

  /** A row as it is stored, or undefined. */
  async find(
    partition: DerivedPartition,
    row: DerivedRow,
    id: string,
  ): Promise<StoredRow | undefined> {
    const key = { ...partitionKey(partition), id };
    if (row.table === 'list_rows') {
      const found = await this.cassandra.first(findList, { ...key, sort_key: row.sortKey });
      return found && { id, version: found.version, row: { ...row, copy: found.copy } };
    }
    const [group1, group2, group3, group4, group5] = row.groups;
    const groups = { group1, group2, group3, group4, group5 };
    const found = await this.cassandra.first(findTotal, { ...key, ...groups });
    const amount = Number(found?.amount.toString());
    return found && { id, version: found.version, row: { ...row, amount } };
  }

  /** The rows of one bucket of a total, a page at a time. */
  async *walkTotals(partition: DerivedPartition, size: number): AsyncGenerator<StoredTotal[]> {
    const key = partitionKey(partition);
    let after = { group1: '', group2: '', group3: '', group4: '', group5: '', id: '' };
    for (;;) {
      const rows = await this.cassandra.page(listTotals, { ...key, ...after }, size);
      const last = rows.at(-1);
      if (!last) return;
      yield rows.map((row) => ({
        groups: [row.group1, row.group2, row.group3, row.group4, row.group5],
        id: row.id,
        amount: Number(row.amount.toString()),
        version: row.version,
      }));
      if (rows.length < size) return;
      const { group1, group2, group3, group4, group5, id } = last;
      after = { group1, group2, group3, group4, group5, id };
    }
  }
}

/** One for each list and bucket of a table. */
function partitionOf({ query, params }: Statement): string {
  const [table] = query.name.split('.', 1);
  return [table, params.list, params.bucket].join('\u0000');
}

function toStatement(
  action: 'put' | 'remove',
  from: DerivedFrom,
  bucket: string,
  row: DerivedRow,
): Statement {
  const common = {
    ...commonParams(from, bucket),
    list: row.list,
    ...(action === 'put' ? { version: from.version } : {}),
  };
  if (row.table === 'list_rows') {
    const params = { ...common, sort_key: row.sortKey };
    if (action === 'remove') return { query: removeList, params };
    return typeof row.copy === 'string'
      ? { query: putCopy, params: { ...params, copy: row.copy } }
      : { query: putList, params };
  }
  const [group1, group2, group3, group4, group5] = row.groups;
  const groups = { group1, group2, group3, group4, group5 };
  return action === 'put'
    ? { query: putTotal, params: { ...common, ...groups, amount: row.amount } }
    : { query: removeTotal, params: { ...common, ...groups } };
}

function commonParams(
  { organizationId, object, id, createdAt, version }: DerivedFrom,
  bucket: string,
) {
  return {
    organization_id: organizationId,
    object,
    bucket,
    id,
    time: derivedTime(createdAt, version),
  };
}
