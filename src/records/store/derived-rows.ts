import { shardOf } from '../../common/shard-of';

/** Where a record stands in a list. */
export interface ListRow {
  table: 'list_rows';
  /** `<order>|<scope>`, e.g. `created|owner:0197…`. */
  list: string;
  sortKey: string;
  /**
   * The record itself, so that it need not be read; null where it is too long. Rows of most lists have
   * none (undefined).
   */
  copy?: string | null;
}

/** What a record adds to a total. */
export interface TotalRow {
  table: 'total_rows';
  list: string;
  groups: readonly [string, string, string, string, string];
  amount: number;
}

/** A row that follows from a record and nothing else. */
export type DerivedRow = ListRow | TotalRow;

/** The identity of a row within its object and record. */
export function rowKey(row: DerivedRow): string {
  const rest = row.table === 'list_rows' ? [row.sortKey] : row.groups;
  return [row.table, row.list, ...rest].join('\u0000');
}

/** The totals to which these rows and those do not add the same. */
export function changedTotals(
  before: readonly DerivedRow[],
  after: readonly DerivedRow[],
): ReadonlySet<string> {
  const amounts = new Map(before.filter(isTotal).map((row) => [rowKey(row), row]));
  const changed = new Set<string>();
  for (const row of after.filter(isTotal)) {
    if (amounts.get(rowKey(row))?.amount !== row.amount) changed.add(row.list);
    amounts.delete(rowKey(row));
  }
  for (const { list } of amounts.values()) changed.add(list);
  return changed;
}

/** A row of a list that carries records, this one or not. */
export function mayHaveCopy(row: DerivedRow): row is ListRow & { copy: string | null } {
  return row.table === 'list_rows' && row.copy !== undefined;
}

function isTotal(row: DerivedRow): row is TotalRow {
  return row.table === 'total_rows';
}

/** In which of `buckets` the derived rows of a record are, for ever. */
export function bucketOf(id: string, buckets: number): string {
  return `${String(buckets)}.${String(indexOf(id, buckets))}`;
}

/** The number of that bucket, from 0. */
export function indexOf(id: string, buckets: number): number {
  return shardOf(id, buckets, 4);
}

export function allBuckets(buckets: number): string[] {
  return Array.from({ length: buckets }, (_, index) => `${String(buckets)}.${String(index)}`);
}

/**
 * The time of all derived rows of a version, in microseconds: it grows with the version, whoever
 * writes them and when. The time of creation keeps a record apart from an earlier one of its id.
 */
export function derivedTime(createdAt: Date, version: number): number {
  return createdAt.getTime() * 1000 + version;
}
