import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { StoredRecord } from '../record';
import { bucketOf, type DerivedRow, rowKey } from '../store/derived-rows';
import { copyAgrees } from '../store/record-copy';
import type {
  DerivedPartition,
  DerivedRowsRepository,
  StoredRow,
} from '../store/derived-rows.repository';
import type { TotalSumsRepository } from '../store/total-sums.repository';

const PAGE = 1000;
const LOOKS = 3;
const LOOK_AGAIN_MS = 200;
const HIGHEST = '\u{10FFFF}\u{10FFFF}';

/** A row that is not what its record says, or is not there; seen at different moments, so far. */
export interface Suspect {
  partition: DerivedPartition;
  row: DerivedRow;
  id: string;
}

interface Expected {
  row: DerivedRow;
  id: string;
  version: number;
}

/** A partition, and what should stand in it. */
export interface ExpectedPartition {
  partition: DerivedPartition;
  table: DerivedRow['table'];
  rows: Map<string, Expected>;
}

/** What should stand in some of the buckets: all of it in memory, so a slice must not be large. */
export class ExpectedRows {
  private readonly partitions = new Map<string, ExpectedPartition>();

  constructor(
    private readonly organizationId: string,
    private readonly object: string,
    private readonly buckets: number,
  ) {}

  /** @param everywhere all rows the record ever had: where they were, some may have been left */
  add({ id, version }: StoredRecord, rows: DerivedRow[], everywhere: DerivedRow[]): void {
    for (const row of everywhere) this.partitionOf(row, id);
    for (const row of rows) {
      this.partitionOf(row, id).rows.set(rowKey(row) + id, { row, id, version });
    }
  }

  /** Has a partition looked at, whether or not something should stand in it. */
  lookAt({ list, bucket }: Pick<DerivedPartition, 'list' | 'bucket'>): void {
    this.partitionAt('list_rows', list, bucket);
  }

  all(): ExpectedPartition[] {
    return [...this.partitions.values()];
  }

  private partitionOf({ table, list }: DerivedRow, id: string): ExpectedPartition {
    return this.partitionAt(table, list, bucketOf(id, this.buckets));
  }

  private partitionAt(table: DerivedRow['table'], list: string, bucket: string): ExpectedPartition {
    const { organizationId, object } = this;
    const name = `${table} ${bucket} ${list}`;
    const known = this.partitions.get(name);
    if (known) return known;
    const partition = { organizationId, object, list, bucket };
    const created = { partition, table, rows: new Map<string, Expected>() };
    this.partitions.set(name, created);
    return created;
  }
}

/** Compares a partition with what should stand in it, which is used up. @returns its size, too */
export async function comparePartition(
  derived: DerivedRowsRepository,
  { partition, table, rows: expected }: ExpectedPartition,
): Promise<{ size: number; suspects: Suspect[] }> {
  const suspects: Suspect[] = [];
  let size = 0;
  for await (const stored of rowsOf(derived, partition, table)) {
    size += stored.length;
    for (const { row, id, version } of stored) {
      const key = rowKey(row) + id;
      const match = expected.get(key);
      expected.delete(key);
      if (match?.version !== version || !saysTheSame(row, match.row)) {
        suspects.push({ partition, row, id });
      }
    }
  }
  for (const { row, id } of expected.values()) suspects.push({ partition, row, id });
  return { size, suspects };
}

/** What is wrong with a row, given the record as it is; undefined where it is as it should be. */
export function faultOf(
  stored: StoredRow | undefined,
  record: StoredRecord | undefined,
  expected: DerivedRow | undefined,
): 'missing' | 'outdated' | 'stray' | undefined {
  if (!expected || !record) return stored && 'stray';
  if (!stored) return 'missing';
  const stands = stored.version === record.version && saysTheSame(stored.row, expected);
  return stands ? undefined : 'outdated';
}

/** Whether the kept sum of a bucket is not that of its rows; looked at again where it seems so. */
export async function hasWrongSum(
  totals: TotalSumsRepository,
  partition: DerivedPartition,
): Promise<boolean> {
  for (let look = 1; look <= LOOKS; look++) {
    const { current } = await totals.find(partition);
    if (!current || isDeepStrictEqual(current, await totals.addUp(partition))) return false;
    // A write that is just under way has its rows there, and its mark not yet.
    await sleep(LOOK_AGAIN_MS);
  }
  return true;
}

function saysTheSame(stored: DerivedRow, expected: DerivedRow): boolean {
  if (stored.table === 'list_rows') {
    return expected.table === 'list_rows' && copyAgrees(stored.copy, expected.copy ?? null);
  }
  return expected.table === 'total_rows' && stored.amount === expected.amount;
}

async function* rowsOf(
  derived: DerivedRowsRepository,
  partition: DerivedPartition,
  table: DerivedRow['table'],
): AsyncGenerator<StoredRow[]> {
  const { list } = partition;
  if (table === 'total_rows') {
    for await (const rows of derived.walkTotals(partition, PAGE)) {
      yield rows.map(({ id, version, amount, groups }) => {
        const [a = '', b = '', c = '', d = '', e = ''] = groups;
        return { id, version, row: { table, list, groups: [a, b, c, d, e], amount } };
      });
    }
    return;
  }
  for (let from = { sortKey: '', id: '' }; ;) {
    const range = { from, endKey: HIGHEST, descending: false };
    const rows = await derived.listBuckets(partition, [partition.bucket], range, PAGE);
    const last = rows.at(-1);
    if (!last) return;
    yield rows.map(({ id, version, sortKey, copy }) => ({
      id,
      version,
      row: { table, list, sortKey, copy },
    }));
    if (rows.length < PAGE) return;
    from = last;
  }
}
