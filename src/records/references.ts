import type { FieldFault } from '../common/errors';
import type { Principal } from '../common/principal';
import type { Field } from '../fields/field';
import type { UsersService } from '../users/users.service';
import type { RecordData } from './record';
import { canRead } from './record-access';
import { definitionOf, type RecordDefinition, type Reference } from './record-definition';
import type { RecordsRepository } from './store/records.repository';

/** All fields of a record that name other records, custom ones included. */
export function referencesOf(definition: RecordDefinition, fields: readonly Field[]): Reference[] {
  const custom = fields.flatMap(({ key, kind, referenceTo }) => {
    if (kind !== 'reference' || referenceTo === null) return [];
    return [customReference(key, referenceTo)];
  });
  return [...(definition.references ?? []), ...custom];
}

function customReference(key: string, object: string): Reference {
  return {
    field: `custom.${key}`,
    object,
    ids: ({ custom }) => {
      const value = custom[key];
      return typeof value === 'string' ? [value] : [];
    },
    replace: (data, from, to) =>
      data.custom[key] === from ? { ...data, custom: { ...data.custom, [key]: to } } : data,
  };
}

/** The data without what a reference has of these ids; the same where it has none. */
export function withoutReference(
  reference: Reference,
  data: RecordData,
  ids: ReadonlySet<string>,
): RecordData {
  const { field } = reference;
  if (!reference.ids(data).some((id) => ids.has(id))) return data;
  if (field.startsWith('custom.')) {
    const key = field.slice('custom.'.length);
    const custom = Object.entries(data.custom).filter(([other]) => other !== key);
    return { ...data, custom: Object.fromEntries(custom) };
  }
  const value = data[field];
  if (!Array.isArray(value)) return { ...data, [field]: null };
  const isLeft = (one: unknown) =>
    !reference.ids({ ...data, [field]: [one] }).some((id) => ids.has(id));
  return { ...data, [field]: value.filter(isLeft) };
}

/**
 * The faults of the references that a write adds: each must lead to a live record of the same
 * organization that the caller may see, and owners and the like must be active users of it. One
 * statement for each kind of record that is referred to.
 */
export async function referenceFaults(
  caller: Principal,
  definition: RecordDefinition,
  fields: readonly Field[],
  data: RecordData,
  before: RecordData | undefined,
  stores: { records: RecordsRepository; users: UsersService },
): Promise<FieldFault[]> {
  const { organizationId } = caller;
  const added = referencesOf(definition, fields).map((reference) => {
    const known = new Set(before ? reference.ids(before) : []);
    return { ...reference, ids: reference.ids(data).filter((id) => !known.has(id)) };
  });
  const checks = added.map(async ({ field, object, ids }): Promise<FieldFault[]> => {
    if (ids.length === 0) return [];
    const found = await stores.records.findMany(organizationId, object, ids);
    const isThere = (id: string) => {
      const record = found.get(id);
      return record?.state === 'live' && canRead(caller, definitionOf(object), record);
    };
    const message = `${field} must be of ${object} that exist`;
    return ids.every(isThere) ? [] : [{ field, rule: 'reference', message }];
  });
  const named = ['owner_id', ...(definition.users ?? [])].map((field) =>
    userFault(caller, field, data, before, stores),
  );
  return (await Promise.all([...checks, ...named])).flat();
}

async function userFault(
  caller: Principal,
  field: string,
  data: RecordData,
  before: RecordData | undefined,
  { users }: { users: UsersService },
): Promise<FieldFault[]> {
  const id = data[field];
  if (typeof id !== 'string' || id === before?.[field] || id === caller.userId) return [];
  const user = await users.findById(caller.organizationId, id);
  if (user?.status === 'active') return [];
  const message = `${field} must be an active user of the organization`;
  return [{ field, rule: 'reference', message }];
}
