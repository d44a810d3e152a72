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

/**
 * What a row says of a record, as the body of a request. Columns that the row does not have
 * (`undefined`) say nothing; an empty cell is null, an empty list, or where neither can be, nothing.
 * A cell that is no value of its field is taken as it is, for the check of the body to refuse.
 */
export function fromCells(
  columns: readonly Columns[],
  cell: (name: string) => string | undefined,
  users: UserNames,
): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const column of columns) {
    const cells = column.names.map(cell);
    if (!column.imported || cells.every((one) => one === undefined)) continue;
    const read = column.read(cells.map((one) => one ?? ''));
    if (read === undefined) continue;
    const isEmail = column.isUser && typeof read === 'string' && read.includes('@');
    putAt(body, column.path, isEmail ? (users.idOf(read) ?? read) : read);
  }
  return withoutBlanks(body);
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
  const inner = (body[key] ?? {}) as Record<string, unknown>;
  body[key] = inner;
  putAt(inner, rest, value);
}

/** An address without any part is none; a custom field of money likewise. */
function withoutBlanks({ custom, ...body }: Record<string, unknown>): Record<string, unknown> {
  const nulled = (parts: object) =>
    Object.fromEntries(
      Object.entries(parts).map(([key, value]) => [
        key,
        isBlank(value) ? null : (value as unknown),
      ]),
    );
  return { ...nulled(body), ...(custom ? { custom: nulled(custom) } : {}) };
}

function isBlank(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const parts = Object.values(value);
  return parts.length > 0 && parts.every((part) => part === null || isBlank(part));
}
