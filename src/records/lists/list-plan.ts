import type { Principal } from '../../common/principal';
import type { Field } from '../../fields/field';
import { scopesOf, sortKeyOf } from '../derive';
import type { ListQuery } from './list-query';
import type { StoredRecord } from '../record';
import { canRead, reachOf, readScope } from '../record-access';
import type { RecordDefinition } from '../record-definition';
import { ALL, listName, lookupScope, ownerScope } from '../scopes';
import type { ListedRow, ListPosition } from '../store/list-order';

/** Above every text that a list has. */
export const HIGHEST = '\u{10FFFF}\u{10FFFF}';

/** A list to walk: where, from where to where, and which of its records count. */
export interface Walk {
  list: string;
  from: ListPosition;
  endKey: string;
  descending: boolean;
  /** Whether the row is one of the record as it is. */
  stands: (record: StoredRecord, row: ListedRow) => boolean;
  matches: (record: StoredRecord) => boolean;
}

/** The walk of a sorted and filtered list. */
export function orderWalk(
  caller: Principal,
  definition: RecordDefinition,
  query: ListQuery,
  fields: readonly Field[],
): Walk {
  const { order, descending } = query;
  const scope = indexScope(caller, definition, query);
  const { low, high } = boundsOf(query);
  return {
    list: listName(order, scope),
    // A bound is no row: with an empty id it stands before all rows of its key.
    from: descending ? { sortKey: high, id: '' } : { sortKey: low, id: '' },
    endKey: descending ? low : high,
    descending,
    stands: (record, row) =>
      record.state === 'live' &&
      (scope === ALL || scopesOf(definition, record, fields).includes(scope)) &&
      sortKeyOf(definition, record, order, fields) === row.sortKey,
    matches: matcher(caller, definition, query),
  };
}

/** The walk of the deleted records. */
export function deletedWalk(
  caller: Principal,
  definition: RecordDefinition,
  query: ListQuery,
): Walk {
  return {
    list: listName('deleted', readScope(caller, definition)),
    from: query.descending ? { sortKey: HIGHEST, id: '' } : { sortKey: '', id: '' },
    endKey: query.descending ? '' : HIGHEST,
    descending: query.descending,
    stands: (record, row) =>
      record.state === 'deleted' && record.deletedAt?.toISOString() === row.sortKey,
    matches: matcher(caller, definition, query),
  };
}

/** The scopes of what a record may be a duplicate by. */
export function lookupsOf(definition: RecordDefinition, { data }: StoredRecord): string[] {
  return (definition.lookups?.(data) ?? []).map(lookupScope);
}

/** The narrowest part of an order that holds every record that can be in the list. */
function boundsOf({ order, conditions, createdFrom, createdTo }: ListQuery) {
  const created = { order: 'created', from: createdFrom, to: createdTo };
  const ranges = conditions.map(({ filter, value }) => filter.range?.(value));
  const bounds = { low: '', high: HIGHEST };
  for (const range of [created, ...ranges]) {
    if (range?.order !== order) continue;
    if (range.from !== undefined && range.from > bounds.low) bounds.low = range.from;
    if (range.to !== undefined && range.to < bounds.high) bounds.high = range.to;
  }
  return bounds;
}

/** The narrowest scope that holds every record that can be in the list. */
function indexScope(caller: Principal, definition: RecordDefinition, query: ListQuery): string {
  const { conditions, order } = query;
  const isOwn = reachOf(caller, definition, 'read') !== 'all';
  // The lists of a custom order exist for everything and for owners only.
  if (order.startsWith('custom.')) {
    const owner = conditions.find(({ name }) => name === 'owner_id');
    if (isOwn) return ownerScope(caller.userId);
    return owner ? ownerScope(owner.value) : ALL;
  }
  const values = conditions.map(({ name, value }) => [name, value] as const);
  const joint = definition.jointScope?.(Object.fromEntries(values));
  // What the caller may see is part of the choice, not a filter on top of it.
  if (isOwn) return joint?.owner === caller.userId ? joint.scope : ownerScope(caller.userId);
  const scopes = conditions.map(({ filter, name, value }) => ({
    name,
    scope: filter.scope?.(value),
  }));
  const narrowest = [...scopes, { name: JOINT, scope: joint?.scope }]
    .filter(({ scope }) => scope !== undefined)
    .sort((a, b) => rank(a.name) - rank(b.name))[0];
  return narrowest?.scope ?? ALL;
}

const JOINT = 'several filters';
/** Filters by how much they narrow. All others, such as what others refer to, narrow more. */
const BROAD = [JOINT, 'stage_id', 'pipeline_id', 'tag', 'owner_id', 'kind', 'overdue', 'status'];

function rank(filter: string): number {
  return BROAD.indexOf(filter);
}

/** Whether a record is one that the caller may see and asks for. */
export function matcher(
  caller: Principal,
  definition: RecordDefinition,
  { conditions, createdFrom, createdTo }: ListQuery,
): (record: StoredRecord) => boolean {
  return (record) =>
    canRead(caller, definition, record) &&
    (createdFrom === undefined || record.createdAt.toISOString() >= createdFrom) &&
    (createdTo === undefined || record.createdAt.toISOString() < createdTo) &&
    conditions.every(({ filter, value }) => filter.matches(record, value));
}

/** What a cursor is good for: this list, of this organization, as this caller sees it. */
export function cursorScope(
  caller: Principal,
  definition: RecordDefinition,
  query: ListQuery,
): string {
  const reach = reachOf(caller, definition, 'read');
  return JSON.stringify([
    definition.object,
    caller.organizationId,
    reach === 'all' ? reach : caller.userId,
    query.order,
    query.descending,
    query.deleted,
    query.q ?? null,
    query.createdFrom ?? null,
    query.createdTo ?? null,
    query.conditions.map(({ name, value }) => [name, value]).sort(),
  ]);
}
