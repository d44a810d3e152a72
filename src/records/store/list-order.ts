/** A place in a list: that of a row, or a bound that no row has. */
export interface ListPosition {
  sortKey: string;
  id: string;
}

/** The part of a list after `from` (or, descending, before it), up to where `endKey` begins. */
export interface ListRange {
  from: ListPosition;
  endKey: string;
  descending: boolean;
}

export interface ListedRow extends ListPosition {
  version: number;
}

/**
 * How many rows of a page to ask each bucket for. Records are spread by chance, so three deviations
 * above the mean are enough for 999 buckets of 1,000.
 */
export function shareOf(size: number, buckets: number): number {
  const mean = size / buckets;
  return Math.min(size, Math.ceil(mean + 3 * Math.sqrt(mean)));
}

export function mergeRows(found: ListedRow[][], descending: boolean): ListedRow[] {
  const [only, ...others] = found;
  if (only && others.length === 0) return only;
  const direction = descending ? -1 : 1;
  return found.flat().sort((a, b) => direction * comparePositions(a, b));
}

export function isBefore(a: ListPosition, b: ListPosition, descending: boolean): boolean {
  return descending ? comparePositions(a, b) > 0 : comparePositions(a, b) < 0;
}

/** The order of the database: by the bytes of the text. */
export function comparePositions(a: ListPosition, b: ListPosition): number {
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
