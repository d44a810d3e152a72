import { z } from 'zod';
import { AppError } from '../../common/errors';
import type { RecordData, StoredRecord } from '../record';
import { defineRecord, type RecordDefinition } from '../record-definition';

/** A merge, kept as a record of its own, so that it can be finished after a crash, and taken back. */
export interface MergeData extends RecordData {
  object: string;
  winner_id: string;
  loser_ids: string[];
}

export const merges = defineRecord<MergeData>({
  object: 'merges',
  title: 'Merge',
  schema: z.strictObject({}),
  output: z.object({ object: z.string(), winner_id: z.string(), loser_ids: z.array(z.string()) }),
  nameOf: () => '',
});

/** How both sides remember that a loser was taken out of a merge again. */
export const undoneMark = (mergeId: string, loserId: string) => `${mergeId}:${loserId}`;
/** More merges than that are not taken back within the minutes in which one is repeated. */
const MARKS_MAX = 20;

export function withMark(data: RecordData, mark: string): string[] {
  return [...(data.unmerged ?? []), mark].slice(-MARKS_MAX);
}

/** What a record knows of its merge into another. */
export interface MergedData extends RecordData {
  merged_into: string;
  merge_id: string;
}

/** Fields that are the record's own affair. */
const NOT_MERGED = new Set(['owner_id', 'merged_ids', 'merged_into', 'merge_id', 'unmerged']);

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const isEmpty = (value: unknown) => value === undefined || value === null || value === '';
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What identifies an entry of a list: an email is the same under another label. */
function identity(entry: unknown): string {
  if (isMap(entry) && typeof entry.value === 'string') return entry.value;
  return JSON.stringify(entry);
}

function unite(winner: unknown, loser: unknown): unknown {
  if (isEmpty(winner)) return loser;
  if (Array.isArray(winner) && Array.isArray(loser)) {
    const own: unknown[] = winner;
    const theirs: unknown[] = loser;
    const known = new Set(own.map(identity));
    const added = theirs.filter((entry) => !known.has(identity(entry)));
    // There is one primary address, and the winner has it.
    return [...own, ...(own.length > 0 ? added.map(withoutPrimary) : added)];
  }
  if (isMap(winner) && isMap(loser)) {
    const keys = new Set([...Object.keys(winner), ...Object.keys(loser)]);
    return Object.fromEntries([...keys].map((key) => [key, unite(winner[key], loser[key])]));
  }
  return winner;
}

function withoutPrimary(entry: unknown): unknown {
  return isMap(entry) && entry.primary === true ? { ...entry, primary: false } : entry;
}

/** The winner with what the losers have and it has not: nothing of its own is replaced. */
export function united(
  winner: RecordData,
  losers: readonly RecordData[],
  fields: readonly string[],
) {
  const result: Record<string, unknown> = { ...winner };
  for (const loser of losers) {
    for (const field of fields) {
      if (!NOT_MERGED.has(field)) result[field] = unite(result[field], loser[field]);
    }
  }
  return result as RecordData;
}

/** The winner without what it has from a loser and had not before. */
export function parted(
  winner: RecordData,
  loser: RecordData,
  before: Readonly<Record<string, unknown>>,
  fields: readonly string[],
): RecordData {
  const result: Record<string, unknown> = { ...winner };
  for (const field of fields) {
    if (NOT_MERGED.has(field) || !(field in before)) continue;
    result[field] = part(winner[field], loser[field], before[field]);
  }
  return result as RecordData;
}

function part(winner: unknown, loser: unknown, before: unknown): unknown {
  if (isEmpty(before) && same(winner, loser)) return null;
  if (Array.isArray(winner) && Array.isArray(loser)) {
    const own = new Set((Array.isArray(before) ? before : []).map(identity));
    const theirs = new Set(loser.map(identity));
    return winner.filter((entry) => own.has(identity(entry)) || !theirs.has(identity(entry)));
  }
  if (isMap(winner) && isMap(loser)) {
    const had = isMap(before) ? before : {};
    return Object.fromEntries(
      Object.entries(winner).filter(
        ([key, value]) => !isEmpty(had[key]) || !same(value, loser[key]),
      ),
    );
  }
  return winner;
}

/** The data without the values that have gone to somebody else: they stay with the loser. */
export function withoutValues(data: RecordData, values: ReadonlySet<string>): RecordData {
  const keep = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      return value.filter((entry: unknown) => {
        const text =
          typeof entry === 'object' && entry !== null
            ? (entry as { value?: unknown }).value
            : entry;
        return typeof text !== 'string' || !values.has(text);
      });
    }
    return value;
  };
  const drop = (map: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(map).filter(([, value]) => !values.has(String(value))));
  const kept = Object.fromEntries(
    Object.entries(data).map(([field, value]) => [field, keep(value)]),
  );
  return {
    ...kept,
    custom: drop(data.custom),
    external_ids: drop(data.external_ids),
  } as RecordData;
}

/** The records that a record has taken in. */
export const mergedIdsOf = ({ data }: StoredRecord): string[] => data.merged_ids ?? [];

/** The fields that a winner can get from its losers. */
export function mergedFields(definition: RecordDefinition): string[] {
  return [...Object.keys(definition.schema.shape), 'tags', 'custom', 'external_ids'];
}

/** The field of a unique value that somebody else has, if that is what an error says. */
export function duplicateField(error: unknown): string | undefined {
  if (!(error instanceof AppError) || error.code !== 'DUPLICATE') return undefined;
  return (error.details as { field: string }).field;
}
