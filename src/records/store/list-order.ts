/** A place in a list: that of a row, or a bound that no row has. */
export interface ListPosition {
  sortKey: string;
  id: string;
}

/**
 * The part of a list after `from` and below `endKey`; descending, before `from` and down to `endKey`, which
 * is in it.
 */
export interface ListRange {
  from: ListPosition;
  endKey: string;
  descending: boolean;
}

export interface ListedRow extends ListPosition {
  version: number;
  /** Where it is stored. */
  bucket: string;
  /** The record, as of some version (record-copy.ts). */
  copy: string | null;
}

/**
 * How many rows of a page to ask each bucket for at first. Records are spread by chance: with three
 * deviations above the mean and one row more, of pages of 50 one in 700 needs a second turn where there
 * are 4 buckets, and one in 35 where there are 32.
 */
export function shareOf(size: number, buckets: number): number {
  const mean = size / buckets;
  const deviation = Math.sqrt(mean * (1 - 1 / buckets));
  return Math.min(size, Math.ceil(mean + 3 * deviation) + 1);
}

export function inListOrder<T extends ListPosition>(rows: readonly T[], descending: boolean): T[] {
  const direction = descending ? -1 : 1;
  return rows.toSorted((a, b) => direction * comparePositions(a, b));
}

/** The order of the database: by the bytes of the text. */
function comparePositions(a: ListPosition, b: ListPosition): number {
  return compareText(a.sortKey, b.sortKey) || compareText(a.id, b.id);
}

const SURROGATE = /[\ud800-\udfff]/;

/**
 * The order of the database. That of UTF-16 is the same, but for characters that take two of its units.
 */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}
