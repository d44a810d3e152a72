import { isObjectName, isReadByOwner } from '../common/permissions';
import { indexKeys, sortKey as customSortKey } from '../fields/custom-values';
import type { Field } from '../fields/field';
import { type ChangeEvent, type StoredRecord, undoChanges } from './record';
import { ownersOf, type RecordDefinition } from './record-definition';
import { referencesOf } from './references';
import { type DerivedRow, rowKey } from './store/derived-rows';
import { toCopy } from './store/record-copy';
import {
  ALL,
  customScope,
  listName,
  lookupScope,
  ownerScope,
  referenceScope,
  tagScope,
  termList,
} from './scopes';
import { TERM_PREFIX_LENGTH, termsOf, textSortKey } from './text';

/** The lists of every caller: everything, or what he owns. */
function baseScopes(definition: RecordDefinition, record: StoredRecord): string[] {
  return [ALL, ...ownersOf(definition, record.data).map(ownerScope)];
}

/** All scopes whose lists a live record is in. */
export function scopesOf(
  definition: RecordDefinition,
  record: StoredRecord,
  fields: readonly Field[],
): string[] {
  const { data } = record;
  const references = referencesOf(definition, fields).flatMap((reference) =>
    reference.ids(data).map((id) => referenceScope(reference.object, id)),
  );
  const custom = indexedOf(fields).flatMap((field) => {
    const value = data.custom[field.key];
    if (value === undefined || value === null) return [];
    return indexKeys(field, value).map((key) => customScope(field.key, key));
  });
  return [
    ...new Set([
      ...baseScopes(definition, record),
      ...data.tags.map(tagScope),
      ...references,
      ...custom,
      ...(definition.scopes?.(data) ?? []),
    ]),
  ];
}

/** The place of a record in the lists of an order; null where it is in none of them. */
export function sortKeyOf(
  definition: RecordDefinition,
  record: StoredRecord,
  order: string,
  fields: readonly Field[],
): string | null {
  if (order === 'created') return record.createdAt.toISOString();
  if (order === 'name') return textSortKey(definition.nameOf(record.data));
  const own = definition.orders?.[order];
  if (own) return own.key(record.data);
  const field = indexedOf(fields).find(({ key }) => order === `custom.${key}`);
  if (!field) return null;
  return customSortKey(field, record.data.custom[field.key] ?? null) ?? '';
}

export function recordTerms(definition: RecordDefinition, record: StoredRecord): string[] {
  const own = definition.terms?.(record.data) ?? [];
  const fromName = termsOf([definition.nameOf(record.data)]);
  return [...new Set([...fromName, ...own])].filter((term) => term.length >= TERM_PREFIX_LENGTH);
}

/** The scopes whose lists of terms a record is in. */
function termScopes(definition: RecordDefinition, record: StoredRecord): string[] {
  const { object } = definition;
  if (!isObjectName(object)) return [];
  return isReadByOwner(object) ? baseScopes(definition, record) : [ALL];
}

/** The partitions of these buckets whose rows may carry the record. */
export function partitionsWithCopies(
  definition: RecordDefinition,
  buckets: readonly string[],
): { list: string; bucket: string }[] {
  const lists = listsWithCopies(definition);
  return buckets.flatMap((bucket) => lists.map((list) => ({ list, bucket })));
}

function listsWithCopies(definition: RecordDefinition): string[] {
  // Merges are listed by nobody, and of pipelines there are few.
  if (!isObjectName(definition.object)) return [];
  return ordersOf(definition).map((order) => listName(order, ALL));
}

function ordersOf({ orders = {} }: RecordDefinition): string[] {
  return ['created', 'name', ...Object.keys(orders)];
}

/** Every row that follows from a record as it is. */
export function derive(
  definition: RecordDefinition,
  record: StoredRecord,
  fields: readonly Field[],
): DerivedRow[] {
  if (record.state === 'deleted') {
    return deletedRows(baseScopes(definition, record), record.deletedAt ?? record.updatedAt);
  }
  if (record.state !== 'live') return [];
  const rows: DerivedRow[] = [];
  const copied = listsWithCopies(definition);
  const copy = copied.length > 0 ? toCopy(record) : null;
  /** Puts the record into the lists of an order, scope by scope. */
  const into = (order: string) => {
    const sortKey = sortKeyOf(definition, record, order, fields);
    return (scope: string) => {
      if (sortKey === null) return;
      const list = listName(order, scope);
      const rest = copied.includes(list) ? { copy } : {};
      rows.push({ table: 'list_rows', list, sortKey, ...rest });
    };
  };
  const orders = ordersOf(definition).map(into);
  // Those with a copy are neighbours, so that they go into different batches.
  for (const scope of scopesOf(definition, record, fields)) {
    for (const put of orders) put(scope);
  }
  for (const { key } of indexedOf(fields)) {
    baseScopes(definition, record).forEach(into(`custom.${key}`));
  }
  const lookups = definition.lookups?.(record.data) ?? [];
  lookups.map(lookupScope).forEach(into('created'));
  const scopesOfTerms = termScopes(definition, record);
  for (const term of recordTerms(definition, record)) {
    for (const scope of scopesOfTerms) {
      rows.push({ table: 'list_rows', list: termList(term, scope), sortKey: term });
    }
  }
  for (const total of definition.totals?.(record.data) ?? []) {
    rows.push({ table: 'total_rows', ...total });
  }
  return distinct(rows);
}

/**
 * Whether events, newest first, tell when a record was deleted that they brought back: by that time it
 * stood among the deleted, also in versions that it had meanwhile.
 */
export function tellOfDeletion(events: readonly ChangeEvent[]): boolean {
  const turn = events.findLast(({ kind }) => kind === 'deleted' || kind === 'restored');
  return turn?.kind !== 'restored';
}

/**
 * Every row that may have been written for a record in the versions of these events, newest first,
 * and that does not follow from it as it is. The events have to tell of deletions (`tellOfDeletion`).
 */
export function deriveStale(
  definition: RecordDefinition,
  record: StoredRecord,
  fields: readonly Field[],
  events: readonly ChangeEvent[],
): DerivedRow[] {
  // Its data is gone, and so are its rows but for these: purging begins with cleaning up.
  if (record.state === 'purged') {
    const owners = record.data.purged_owners ?? [];
    return deletedRows([ALL, ...owners.map(ownerScope)], record.deletedAt ?? record.updatedAt);
  }
  const current = new Set(derive(definition, record, fields).map(rowKey));
  const deletions = events.filter(({ kind }) => kind === 'deleted').map(({ at }) => at);
  if (record.deletedAt) deletions.push(record.deletedAt);
  const stale: DerivedRow[] = [];
  let { data } = record;
  for (const event of events) {
    const then = { ...record, state: 'live' as const, data };
    // Whatever it was then: rows that never were are removed in vain.
    stale.push(...derive(definition, then, fields));
    const scopes = baseScopes(definition, then);
    stale.push(...deletions.flatMap((at) => deletedRows(scopes, at)));
    // Before the first version there was nothing to derive from.
    if (event.version > 1) data = undoChanges(data, event.changes);
  }
  return distinct(stale).filter((row) => !current.has(rowKey(row)));
}

export function without(rows: readonly DerivedRow[], others: readonly DerivedRow[]): DerivedRow[] {
  const keys = new Set(others.map(rowKey));
  return rows.filter((row) => !keys.has(rowKey(row)));
}

/** Where a deleted record stands: by the time of its deletion. */
function deletedRows(scopes: readonly string[], at: Date): DerivedRow[] {
  return scopes.map((scope) => {
    return { table: 'list_rows', list: listName('deleted', scope), sortKey: at.toISOString() };
  });
}

function distinct(rows: readonly DerivedRow[]): DerivedRow[] {
  return [...new Map(rows.map((row) => [rowKey(row), row])).values()];
}

/** Archived fields, too: their values stay, and so do their lists. */
function indexedOf(fields: readonly Field[]): Field[] {
  return fields.filter(({ indexed }) => indexed);
}
