import { z } from 'zod';
import { type FieldFault, validationFailed } from '../common/errors';
import { customSchema } from '../fields/custom-values';
import type { Field } from '../fields/field';
import { id, text } from '../fields/kinds';
import type { Json, RecordData, StoredRecord } from './record';
import { definitionOf, type RecordDefinition } from './record-definition';

const TAGS_MAX = 50;
const EXTERNAL_IDS_MAX = 20;
/** The name of another system. */
export const SOURCE = /^[a-z0-9][a-z0-9_-]{0,39}$/;

const distinct = (values: unknown[]) => new Set(values).size === values.length;

/** The fields that every record has and a client can write. */
export const commonSchema = z.strictObject({
  owner_id: id()
    .nullable()
    .optional()
    .meta({ description: 'The user it belongs to; whoever creates it unless told.' }),
  tags: z
    .array(text(50))
    .max(TAGS_MAX)
    .refine(distinct, { error: 'must be distinct', params: { rule: 'arrayUnique' } })
    .default([])
    .meta({ description: 'Labels of any kind, up to 50.', example: ['vip'] }),
  custom: z
    .record(z.string(), z.unknown())
    .default({})
    .meta({
      description:
        'Values of the custom fields of the organization (`GET /api/v1/fields/{object}`) by key. ' +
        'Text, url, email, phone, date, datetime, select and reference (an id) are strings, number ' +
        'is a number, boolean a boolean, multi_select a list of strings, money `{amount, currency}`.',
      example: {},
    }),
  external_ids: z
    .record(z.string().regex(SOURCE), text(200))
    .refine((value) => Object.keys(value).length <= EXTERNAL_IDS_MAX, {
      error: `must have at most ${String(EXTERNAL_IDS_MAX)} entries`,
      params: { rule: 'maxEntries' },
    })
    .default({})
    .meta({
      description: 'What the record is called in other systems, by system. Each is unique.',
      example: {},
    }),
});

/** What a record has where its definition leaves the common fields out. */
const NO_COMMON_FIELDS = { owner_id: null, tags: [], custom: {}, external_ids: {} };

/** The whole of what a client can write. */
export function writableSchema(definition: RecordDefinition): z.ZodObject {
  if (definition.bare) return definition.schema;
  return definition.schema.extend(commonSchema.shape).strict();
}

const schemas = new Map<string, z.ZodObject>();

function schemaOf(definition: RecordDefinition): z.ZodObject {
  const schema = schemas.get(definition.object) ?? writableSchema(definition);
  schemas.set(definition.object, schema);
  return schema;
}

/** What broke, in the words of the contract; never the value. */
export function toFaults(error: z.ZodError, parent: readonly PropertyKey[] = []): FieldFault[] {
  return error.issues.flatMap((issue) => {
    const path = [...parent, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => unknownField([...path, key]));
    }
    const params = issue.code === 'custom' ? issue.params : undefined;
    const rule = typeof params?.rule === 'string' ? params.rule : issue.code;
    const field = fieldPath(path);
    return [{ field, rule, message: `${field || 'The body'} is not valid: ${issue.message}` }];
  });
}

function unknownField(path: readonly PropertyKey[]): FieldFault {
  const [key, ...parents] = path.toReversed();
  return {
    field: fieldPath([...parents.toReversed(), String(key).slice(0, 100)]),
    rule: 'unknownField',
    message: 'This field is not known here.',
  };
}

function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${String(part)}]`;
      return index === 0 ? String(part) : `.${String(part)}`;
    })
    .join('');
}

/** The writable part of a record: what a merge patch is applied to. */
export function writablePart(definition: RecordDefinition, data: RecordData): RecordData {
  const keys = Object.keys(schemaOf(definition).shape);
  return Object.fromEntries(keys.map((key) => [key, data[key]])) as RecordData;
}

/** RFC 7386: null removes, objects are merged, everything else is replaced. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Refuses fields that no record of the kind has, whatever record it is.
 * @throws AppError VALIDATION_FAILED
 */
export function refuseUnknownFields(definition: RecordDefinition, body: object): void {
  const { shape } = schemaOf(definition);
  const keys = Object.keys(body).filter((key) => !Object.hasOwn(shape, key));
  if (keys.length > 0) throw validationFailed(keys.map((key) => unknownField([key])));
}

/**
 * Checks a whole record as a client may write it, every fault at once, and brings its values into
 * their one spelling. Archived custom values are kept as they are.
 * @throws AppError VALIDATION_FAILED
 */
export function parseRecord(
  definition: RecordDefinition,
  fields: readonly Field[],
  body: unknown,
  archived: Record<string, Json> = {},
): RecordData {
  const result = schemaOf(definition).safeParse(body);
  const faults = result.success ? [] : toFaults(result.error);
  const custom = customOf(fields, isObject(body) ? (body.custom ?? {}) : {}, faults);
  if (!result.success || faults.length > 0) throw validationFailed(faults);
  // An optional field that is not given is undefined, and not what it was before.
  const none = Object.keys(schemaOf(definition).shape).map((key) => [key, undefined]);
  const data = {
    ...(Object.fromEntries(none) as object),
    ...NO_COMMON_FIELDS,
    ...result.data,
    custom: { ...custom, ...archived },
  } as RecordData;
  const broken = definition.check?.(data) ?? [];
  if (broken.length > 0) throw validationFailed(broken);
  return data;
}

function customOf(
  fields: readonly Field[],
  custom: unknown,
  faults: FieldFault[],
): Record<string, Json> {
  if (!isObject(custom)) return {};
  const given = Object.entries(custom).filter(([, value]) => value !== null);
  const result = customSchema(fields, 'create').safeParse(Object.fromEntries(given));
  if (result.success) return result.data as Record<string, Json>;
  faults.push(...toFaults(result.error, ['custom']));
  return {};
}

/** The values of custom fields that are out of use. */
export function archivedValues(fields: readonly Field[], data: RecordData): Record<string, Json> {
  const archived = new Set(fields.filter((field) => field.archived).map(({ key }) => key));
  return Object.fromEntries(Object.entries(data.custom).filter(([key]) => archived.has(key)));
}

/** How a kind is answered. */
interface BodyShape {
  /** The fields of this kind only. */
  own: readonly string[];
  /** All fields in their order, without values. */
  blank: Record<string, unknown>;
}

const shapes = new Map<string, BodyShape>();

function bodyShapeOf(definition: RecordDefinition): BodyShape {
  const { object, schema, output, bare } = definition;
  const known = shapes.get(object);
  if (known) return known;
  const own = [...Object.keys(schema.shape), ...Object.keys(output?.shape ?? {})];
  const common = bare ? [] : Object.keys(NO_COMMON_FIELDS);
  const keys = [...KEY_FIELDS, ...own, ...common, ...STAMPS];
  // An object that gets so many fields one by one is kept as a hash table; parsed ones, and their copies, are not.
  const blank = JSON.parse(
    JSON.stringify(Object.fromEntries(keys.map((key) => [key, null]))),
  ) as BodyShape['blank'];
  const shape = { own, blank };
  shapes.set(object, shape);
  return shape;
}

const KEY_FIELDS = ['id', 'organization_id', 'version'];
const STAMPS = ['created_at', 'created_by', 'updated_at', 'updated_by', 'deleted_at'];

/**
 * A record as it is answered: an allow-list, built from the definition. Of the time of a list making
 * bodies and writing them out are a large part, so all of a kind are copies of one object, and hold times
 * as text: half of what it takes otherwise.
 */
export function toBody(record: StoredRecord, fields: readonly Field[]): Record<string, unknown> {
  const definition = definitionOf(record.object);
  const { own, blank } = bodyShapeOf(definition);
  const { data } = record;
  const body = { ...blank };
  body.id = record.id;
  body.organization_id = record.organizationId;
  body.version = record.version;
  for (const key of own) body[key] = data[key] ?? null;
  if (!definition.bare) {
    body.owner_id = data.owner_id;
    body.tags = data.tags;
    body.custom = customInUse(fields, data);
    body.external_ids = data.external_ids;
  }
  body.created_at = record.createdAt.toISOString();
  body.created_by = record.createdBy;
  body.updated_at = record.updatedAt.toISOString();
  body.updated_by = record.updatedBy;
  body.deleted_at = record.deletedAt?.toISOString() ?? null;
  return body;
}

/** The values of custom fields without those that are out of use. */
function customInUse(fields: readonly Field[], data: RecordData): Record<string, Json> {
  if (!fields.some((field) => field.archived)) return data.custom;
  const hidden = archivedValues(fields, data);
  return Object.fromEntries(Object.entries(data.custom).filter(([key]) => !(key in hidden)));
}
