import { z } from 'zod';
import { toCsvCell } from '../common/csv-cell';
import type { Field } from '../fields/field';
import { cellsOf, type CellFormat } from './cells';
import { writableSchema } from './record-body';
import type { RecordDefinition } from './record-definition';
import type { JsonSchema } from './record-schemas';

/** One value of a record as columns of a table; most values have one column. */
export interface Columns extends CellFormat {
  /** Where the value is in the body of a record, e.g. `['address', 'city']`. */
  path: readonly string[];
  names: readonly string[];
  /** False for what only the server writes: it is exported, and an import passes over it. */
  imported: boolean;
  /** True where the value is the id of a user: written as his email, which has to be looked up. */
  isUser: boolean;
}

/** The users of an organization by id and by email. */
export interface UserNames {
  emailOf(id: string): string | undefined;
  idOf(email: string): string | undefined;
}

type Body = Readonly<Record<string, unknown>>;

const ID: JsonSchema = { type: 'string' };
const SERVER_FIELDS: Record<string, JsonSchema> = {
  version: { type: 'integer' },
  created_at: { type: 'string' },
  created_by: { type: 'string' },
  updated_at: { type: 'string' },
  updated_by: { type: 'string' },
  deleted_at: { type: 'string', nullable: true },
};

/**
 * The columns of a kind of record, from its definition and the custom fields in use. What is
 * written of a record and read again gives the same body: but an object without any value is null,
 * and so is a choice of nothing in a custom field.
 */
export function columnsOf(definition: RecordDefinition, fields: readonly Field[]): Columns[] {
  const writable = Object.entries(propertiesOf(writableSchema(definition)));
  const users = ['owner_id', ...(definition.users ?? [])];
  const customFields = fields.filter(({ archived }) => !archived);
  return [
    ...columnsAt(['id'], ID, true),
    ...writable.flatMap(([key, schema]) => {
      if (key === 'custom') return [];
      if (!users.includes(key)) return columnsAt([key], schema, true);
      return columnsAt([key], schema, true).map((one) => ({
        ...one,
        names: [key.replace(/_id$/, '')],
        isUser: true,
      }));
    }),
    ...customFields.flatMap((field) => columnsAt(['custom', field.key], schemaOf(field), true)),
    ...Object.entries({
      ...(definition.output ? propertiesOf(definition.output) : {}),
      ...SERVER_FIELDS,
    }).flatMap(([key, schema]) => columnsAt([key], schema, false)),
  ];
}

/** The first line of a table. */
export function headerOf(columns: readonly Columns[]): string[] {
  return columns.flatMap(({ names }) => names);
}

/** A record, as it is answered (`toBody`), as the cells under the names of `headerOf`. */
export function toCells(columns: readonly Columns[], body: Body, users: UserNames): string[] {
  return columns.flatMap((column) => {
    const value = valueAt(body, column.path);
    if (!column.isUser) return column.write(value ?? null);
    return [typeof value === 'string' ? toCsvCell(users.emailOf(value) ?? value) : ''];
  });
}

/** The ids of the users that are written by their emails. */
export function usersIn(columns: readonly Columns[], body: Body): string[] {
  const ids = columns.map(({ isUser, path }) => (isUser ? valueAt(body, path) : null));
  return ids.filter((id) => typeof id === 'string');
}

/** The cell of a row under a name of `headerOf`; undefined where the row has no such column. */
type CellAt = (name: string) => string | undefined;

/**
 * What a row says of a record, as the body of a request that creates it. Columns that the row does
 * not have say nothing; an empty cell is null, an empty list, or where neither can be, nothing.
 * A cell that is no value of its field is taken as it is, for the check of the body to refuse.
 */
export function fromCells(
  columns: readonly Columns[],
  cell: CellAt,
  users: Pick<UserNames, 'idOf'>,
): Body {
  const body: Record<string, unknown> = {};
  for (const { path, value } of readCells(columns, cell, users)) {
    if (value !== undefined) putAt(body, path, value);
  }
  return withoutBlanks(body);
}

/**
 * The same as a merge patch (RFC 7386) of a record that is there: an empty cell says nothing, or
 * clears its field where `clears` is true.
 */
export function patchFromCells(
  columns: readonly Columns[],
  cell: CellAt,
  users: Pick<UserNames, 'idOf'>,
  clears: boolean,
): Body {
  const patch: Record<string, unknown> = {};
  const read = readCells(columns, cell, users);
  if (!clears) {
    for (const { path, value } of read) if (!isEmpty(value)) putAt(patch, path, value);
    return patch;
  }
  for (const { path, value } of read) {
    // An empty object in a patch would change nothing.
    putAt(patch, path, isEmpty(value) && !Array.isArray(value) ? null : value);
  }
  // Only an object that the row has all parts of is gone with them.
  const given = read.map(({ path }) => path.join('.'));
  const known = columns.map(({ path }) => path.join('.'));
  const isWhole = (parent: string) =>
    !known.includes(parent) &&
    known.filter((path) => path.startsWith(`${parent}.`)).every((path) => given.includes(path));
  return withoutBlanks(patch, isWhole);
}

function readCells(columns: readonly Columns[], cell: CellAt, users: Pick<UserNames, 'idOf'>) {
  const read: { path: readonly string[]; value: unknown }[] = [];
  for (const column of columns) {
    const cells = column.names.map(cell);
    if (!column.imported || cells.every((one) => one === undefined)) continue;
    const value = column.read(cells.map((one) => one ?? ''));
    const isEmail = column.isUser && typeof value === 'string' && value.includes('@');
    read.push({ path: column.path, value: isEmail ? (users.idOf(value) ?? value) : value });
  }
  return read;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function propertiesOf(schema: z.ZodObject): Record<string, JsonSchema> {
  const options = { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' } as const;
  return (z.toJSONSchema(schema, options) as JsonSchema).properties ?? {};
}

/** The shape of the value of a custom field. */
function schemaOf({ kind }: Field): JsonSchema {
  switch (kind) {
    case 'number':
      return { type: 'number', nullable: true };
    case 'boolean':
      return { type: 'boolean', nullable: true };
    case 'multi_select':
      return { type: 'array', items: { type: 'string' }, nullable: true };
    case 'money': {
      const properties = {
        amount: { type: 'number', nullable: true },
        currency: { type: 'string', nullable: true },
      };
      return { type: 'object', properties };
    }
    default:
      return { type: 'string', nullable: true };
  }
}

function columnsAt(path: readonly string[], schema: JsonSchema, imported: boolean): Columns[] {
  if (schema.type === 'object' && schema.properties) {
    return Object.entries(schema.properties).flatMap(([key, part]) =>
      columnsAt([...path, key], part, imported),
    );
  }
  const { names: own, ...format } = cellsOf(path.at(-1) ?? '', schema);
  const parents = path.slice(0, -1);
  const names = own.map((name) => [...parents, name].join('.'));
  return [{ path, names, imported, isUser: false, ...format }];
}

function valueAt(body: Body, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null ? (value as Body)[key] : undefined;
  }, body);
}

function putAt(body: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    body[key] = value;
    return;
  }
  const there = body[key] ?? {};
  // What is no object is wrong: the check says so.
  if (typeof there !== 'object') return;
  // A copy: an empty object is the same one for every row.
  const inner: Record<string, unknown> = { ...there };
  body[key] = inner;
  putAt(inner, rest, value);
}

/** An address without any part is none; a custom field of money likewise. */
function withoutBlanks(
  { custom, ...body }: Record<string, unknown>,
  isWhole: (path: string) => boolean = () => true,
): Record<string, unknown> {
  const nulled = (parts: object, prefix: string) =>
    Object.fromEntries(
      Object.entries(parts).map(([key, value]) => [
        key,
        isBlank(value) && isWhole(prefix + key) ? null : (value as unknown),
      ]),
    );
  return { ...nulled(body, ''), ...(custom ? { custom: nulled(custom, 'custom.') } : {}) };
}

function isBlank(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const parts = Object.values(value);
  return parts.length > 0 && parts.every((part) => part === null || isBlank(part));
}
