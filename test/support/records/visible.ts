import type { Principal } from '../../../src/common/principal';
import type { StoredRecord } from '../../../src/records/record';
import { definitionOf, uniquesOf } from '../../../src/records/record-definition';
import { referencesOf } from '../../../src/records/references';
import type { RecordStore } from './store';

type Query = Record<string, string>;

/** Every list and search that a live record has to be in, as a client asks for it. */
export function queriesFor(record: StoredRecord): Query[] {
  const definition = definitionOf(record.object);
  const { data } = record;
  const uniques = uniquesOf(definition, record, []);
  const word = definition.nameOf(data).slice(0, 3);
  return [
    { sort: 'created_at' },
    { sort: '-created_at' },
    { sort: 'name' },
    { q: word },
    ...data.tags.map((tag) => ({ tag })),
    ...(data.owner_id === null ? [] : [{ owner_id: data.owner_id }]),
    ...Object.entries(data.external_ids).map(([source, key]) => ({
      external_id: `${source}:${key}`,
    })),
    ...uniques.flatMap(({ field, value }) =>
      field.startsWith('external:') ? [] : [{ [field]: value }, { q: value }],
    ),
    ...referencesOf(definition, []).flatMap((reference) =>
      reference.object === 'companies' ? reference.ids(data).map((id) => ({ company_id: id })) : [],
    ),
  ];
}

/** All pages of a list. */
export async function listAll(
  store: RecordStore,
  caller: Principal,
  object: string,
  query: Query,
): Promise<StoredRecord[]> {
  const all: StoredRecord[] = [];
  for (let cursor: string | null = null; ;) {
    const parameters = { limit: '200', ...query, ...(cursor === null ? {} : { cursor }) };
    const page = await store.lists.list(caller, definitionOf(object), parameters);
    all.push(...page.items);
    cursor = page.nextCursor;
    if (cursor === null) return all;
  }
}

/** The records that a list shows in an older version than they had before it was read. */
export async function findOutdated(
  store: RecordStore,
  caller: Principal,
  object: string,
): Promise<string[]> {
  const versions = new Map<string, number>();
  const walk = store.maintenance.walk(caller.organizationId, definitionOf(object));
  for await (const records of walk) {
    for (const { id, version } of records) versions.set(id, version);
  }
  const queries: Query[] = [{ sort: '-created_at' }, { sort: 'name' }];
  const found = await Promise.all(
    queries.map(async (query) => {
      const all = await listAll(store, caller, object, query);
      return all
        .filter(({ id, version }) => version < (versions.get(id) ?? 0))
        .map(
          ({ id, version }) => `${JSON.stringify(query)} has version ${String(version)} of ${id}`,
        );
    }),
  );
  return found.flat();
}

/** The lists that do not have a record as it was written, though nobody has changed it since. */
export async function findInvisible(
  store: RecordStore,
  caller: Principal,
  record: StoredRecord,
): Promise<string[]> {
  const queries = record.state === 'live' ? queriesFor(record) : [{ deleted: 'true' }];
  const found = await Promise.all(
    queries.map(async (query) => {
      const all = await listAll(store, caller, record.object, query);
      const own = all.filter(({ id }) => id === record.id);
      return own.length === 1 && own[0]?.version === record.version ? [] : [JSON.stringify(query)];
    }),
  );
  const now = await store.records.find(record, true);
  if (now?.version !== record.version) return [];
  return found.flat().map((query) => `version ${String(record.version)} is not in ${query}`);
}
