import { z } from 'zod';
import { EVENT_KINDS } from './record';
import { batchSchema } from './record-batch';
import { writableSchema } from './record-body';
import { allDefinitions, type RecordDefinition } from './record-definition';

/** A schema of the OpenAPI document. */
export interface JsonSchema {
  type?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  [key: string]: unknown;
}

function toJsonSchema(schema: z.ZodType): JsonSchema {
  const options = { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' } as const;
  return z.toJSONSchema(schema, options) as JsonSchema;
}

const uuid = (description: string): JsonSchema => ({
  type: 'string',
  format: 'uuid',
  description,
  example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11',
});
const time = (description: string): JsonSchema => ({
  type: 'string',
  format: 'date-time',
  description,
  example: '2026-01-31T09:30:00.000Z',
});

/**
 * A value to try, from the examples of its parts: without ids, which would have to exist, and
 * without what may be left out anyway.
 */
function exampleOf(schema: JsonSchema): unknown {
  if (schema.format === 'uuid') return undefined;
  if (schema.example !== undefined && schema.example !== null) return schema.example;
  if (schema.type === 'array') {
    const item = exampleOf((schema.items ?? {}) as JsonSchema);
    return item === undefined ? undefined : [item];
  }
  if (schema.type !== 'object' || !schema.properties) return undefined;
  const parts = Object.entries(schema.properties)
    .map(([key, property]) => [key, exampleOf(property)] as const)
    .filter(([, value]) => value !== undefined);
  return parts.length > 0 ? Object.fromEntries(parts) : undefined;
}

/** What a client may send for a new record. */
function inputSchema(definition: RecordDefinition): JsonSchema {
  const schema = toJsonSchema(writableSchema(definition));
  const chosen = uuid('Chosen by the client; made by the server unless told.');
  Reflect.deleteProperty(chosen, 'example');
  const properties = { id: chosen, ...schema.properties };
  return { ...schema, properties, example: exampleOf(schema) };
}

/** A merge patch: everything may be left out, and null clears. */
function patchSchema(definition: RecordDefinition): JsonSchema {
  const { properties, ...schema } = toJsonSchema(writableSchema(definition));
  const optional = Object.entries(properties ?? {}).map(([field, property]) => {
    return [field, { ...withoutDefault(property), nullable: true }];
  });
  Reflect.deleteProperty(schema, 'required');
  const [first = ''] = Object.entries(properties ?? {})
    .filter(([, property]) => typeof exampleOf(property) === 'string')
    .map(([field]) => field);
  return {
    ...schema,
    properties: Object.fromEntries(optional) as Record<string, JsonSchema>,
    example: { [first]: exampleOf(properties?.[first] ?? {}) },
  };
}

function withoutDefault({ ...schema }: JsonSchema): JsonSchema {
  Reflect.deleteProperty(schema, 'default');
  return schema;
}

/** A record as it is answered: every field is there. */
function answerSchema(definition: RecordDefinition): JsonSchema {
  const writable = toJsonSchema(writableSchema(definition)).properties ?? {};
  const output = definition.output ? (toJsonSchema(definition.output).properties ?? {}) : {};
  const properties: Record<string, JsonSchema> = {
    id: uuid('Id of the record.'),
    organization_id: { type: 'string', example: 'org_123' },
    version: {
      type: 'integer',
      description: 'Grows by one with every change; the ETag is this number in quotes.',
      example: 1,
    },
    ...Object.fromEntries(
      Object.entries({ ...writable, ...output }).map(([key, one]) => [key, withoutDefault(one)]),
    ),
    created_at: time('When it was created.'),
    created_by: uuid('The user who created it.'),
    updated_at: time('When it was last changed.'),
    updated_by: uuid('The user who last changed it.'),
    deleted_at: { ...time('When it was deleted; null while it is there.'), nullable: true },
  };
  // Null where the client has not said whose it is, and wants nobody's.
  if (properties.owner_id) properties.owner_id.nullable = true;
  return { type: 'object', properties, required: Object.keys(properties) };
}

function eventSchema(): JsonSchema {
  const properties: Record<string, JsonSchema> = {
    version: { type: 'integer', example: 2 },
    at: time('When it happened.'),
    kind: { type: 'string', enum: [...EVENT_KINDS], example: 'updated' },
    actor_id: uuid('The user who did it.'),
    api_key_id: { ...uuid('The key that was used, if it was a program.'), nullable: true },
    changes: {
      type: 'object',
      description: 'Each field that changed, from which value to which.',
      additionalProperties: {
        type: 'object',
        properties: { from: { nullable: true }, to: { nullable: true } },
      },
      example: { title: { from: 'CTO', to: 'CEO' } },
    },
  };
  return { type: 'object', properties, required: Object.keys(properties) };
}

function batchResultSchema(title: string): JsonSchema {
  return {
    type: 'object',
    required: ['status'],
    properties: {
      status: { type: 'integer', description: 'As of a single request.', example: 201 },
      data: { $ref: `#/components/schemas/${title}` },
      error: {
        type: 'object',
        required: ['code', 'message', 'details'],
        properties: {
          code: { type: 'string', example: 'DUPLICATE' },
          message: { type: 'string', example: 'This value is already in use.' },
          details: { nullable: true, example: null },
        },
      },
    },
  };
}

function duplicateSchema(title: string): JsonSchema {
  return {
    type: 'object',
    required: ['record', 'by'],
    properties: {
      record: { $ref: `#/components/schemas/${title}` },
      by: {
        type: 'array',
        items: { type: 'string' },
        description: 'In what the two are alike.',
        example: ['phone'],
      },
    },
  };
}

/** The schemas of every kind of record, for the OpenAPI document. */
export function recordSchemas(): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {
    ChangeEvent: eventSchema(),
    Batch: toJsonSchema(batchSchema),
    TimelineEntry: {
      type: 'object',
      required: ['type', 'at'],
      properties: {
        type: { type: 'string', enum: ['change', 'activity'], example: 'change' },
        at: time('When it happened, or the activity was created.'),
        record_id: uuid('The record that changed: this one, or one merged into it.'),
        change: { $ref: '#/components/schemas/ChangeEvent' },
        activity: { $ref: '#/components/schemas/Activity' },
      },
    },
  };
  for (const definition of allDefinitions()) {
    const { title } = definition;
    if (definition.object === 'merges') continue;
    schemas[title] = answerSchema(definition);
    schemas[`${title}Input`] = inputSchema(definition);
    schemas[`${title}Patch`] = patchSchema(definition);
    if (definition.bare) continue;
    schemas[`${title}BatchResult`] = batchResultSchema(title);
    schemas[`${title}Duplicate`] = duplicateSchema(title);
  }
  for (const schema of Object.values(schemas)) schema.example ??= exampleOf(schema);
  return schemas;
}
