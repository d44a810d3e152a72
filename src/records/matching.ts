import { recordTerms } from './derive';
import type { StoredRecord } from './record';
import type { RecordDefinition } from './record-definition';
import { endsWord, fold, queryTerms, words } from './text';

/** What a record is found by, and words of its name that are too short to be looked up. */
function wordsOf(definition: RecordDefinition, record: StoredRecord): string[] {
  return [...words(definition.nameOf(record.data)), ...recordTerms(definition, record)];
}

/** Whether each term begins a term of the record. */
export function matchesTerms(
  definition: RecordDefinition,
  record: StoredRecord,
  terms: readonly string[],
): boolean {
  const own = wordsOf(definition, record);
  return terms.every((term) => own.some((one) => one.startsWith(term)));
}

/** The shortest term of the record that each word of a search begins. */
export function matchedTerms(
  definition: RecordDefinition,
  record: StoredRecord,
  q: string,
): string[] {
  const own = wordsOf(definition, record).sort((a, b) => a.length - b.length);
  const matched = queryTerms(q).flatMap((term) => own.find((one) => one.startsWith(term)) ?? []);
  return [...new Set(matched)];
}

/**
 * How well a record answers a search: 0 by its whole name, 1 by words of its name, 2 by their
 * beginnings, 3 by anything else.
 */
export function matchRank(definition: RecordDefinition, record: StoredRecord, q: string): number {
  const name = definition.nameOf(record.data);
  if (fold(name) === fold(q)) return 0;
  const terms = queryTerms(q);
  const own = words(name);
  if (terms.every((term) => own.includes(term))) return 1;
  return terms.every((term) => own.some((word) => word.startsWith(term))) ? 2 : 3;
}

/**
 * How well a record that is found under `key` can answer a search for `terms` at best, but for one of just
 * this name: it stands under the first of its words that begin so, or under its name.
 */
export function bestRank(key: string, terms: readonly string[]): number {
  const [term = ''] = terms;
  return terms.length > 1 || endsWord(key, term.length) ? 1 : 2;
}
