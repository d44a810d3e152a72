import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { ACCESS_EXTENSION, ERRORS_EXTENSION, FILE_EXTENSION } from './common/endpoint';
import { AppError, type ErrorCode, errorEnvelope, ERRORS } from './common/errors';
import type { Access } from './common/principal';
import { recordSchemas } from './records/record-schemas';
import { KEY_HEADER, KEY_MAX_LENGTH } from './idempotency/idempotent-request';

export const DOCS_PATH = '/api/docs';

const INTRODUCTION = `
Every answer is JSON: \`{"success": true, "data": …}\`, lists with \`meta\`; every error is
\`{"success": false, "code", "message", "details"}\`. Every answer has an \`X-Request-Id\`.

**To try it here:** register (or sign in), copy \`access_token\` from the answer, press *Authorize*
and paste it.

**To repeat safely:** send an \`Idempotency-Key\` of your own making with a write. The same request
with the same key has one effect, and the same answer for 24 hours.`;

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const ERROR_SCHEMA = {
  type: 'object',
  required: ['success', 'code', 'message', 'details'],
  additionalProperties: false,
  properties: {
    success: { type: 'boolean', enum: [false] },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    message: { type: 'string' },
    details: { nullable: true, description: 'What a program can use of it; null where nothing.' },
  },
};

const EXAMPLE_DETAILS: Partial<Record<ErrorCode, unknown>> = {
  VALIDATION_FAILED: [
    { field: 'email', rule: 'isEmail', message: 'email must be an email address' },
  ],
  UNPROCESSABLE: { reason: 'option_removed' },
  PAYLOAD_TOO_LARGE: { limit: 102_400 },
  RATE_LIMITED: { retry_after: 42 },
  TOO_MANY_ATTEMPTS: { retry_after: 840 },
  DUPLICATE: { field: 'email', existing_id: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' },
  PRECONDITION_FAILED: { current_version: 3, changed_fields: ['title'] },
  FORBIDDEN: { permission: 'users:update' },
};

const IDEMPOTENCY_KEY = {
  name: KEY_HEADER,
  in: 'header',
  required: false,
  description:
    'A name for this request, e.g. a UUID. Sent again with the same key within 24 hours, it answers ' +
    'the same, with `Idempotency-Replayed: true`, and is not done twice. Keys count for each user and route.',
  schema: {
    type: 'string',
    minLength: 1,
    maxLength: KEY_MAX_LENGTH,
    example: '8e03978e-40d5-43dd-bc93-6894a57f9324',
  },
} as const;

/** The errors that follow from the shape of an operation, whatever it does. */
function impliedCodes(operation: Operation, access: Access): ErrorCode[] {
  const parameters = (operation.parameters ?? []) as { in: string; name: string }[];
  const codes: ErrorCode[] = [
    'NOT_ACCEPTABLE',
    'RATE_LIMITED',
    'INTERNAL_ERROR',
    'SERVICE_UNAVAILABLE',
  ];
  if (parameters.length > 0) codes.push('VALIDATION_FAILED');
  if (parameters.some(({ name }) => name === KEY_HEADER)) {
    codes.push('IDEMPOTENCY_IN_PROGRESS', 'IDEMPOTENCY_KEY_REUSED');
  }
  if (parameters.some((parameter) => parameter.in === 'path')) codes.push('NOT_FOUND');
  if (operation.requestBody) {
    codes.push(
      'VALIDATION_FAILED',
      'MALFORMED_JSON',
      'PAYLOAD_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
    );
  }
  if (access !== 'public') codes.push('UNAUTHENTICATED', 'TOKEN_EXPIRED');
  if (access !== 'public' && access !== 'optional') codes.push('FORBIDDEN');
  return codes;
}

function errorResponses(codes: ErrorCode[]): Operation['responses'] {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...new Set(codes)].sort()) {
    const [status] = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, sameStatus]) => [
      String(status),
      {
        description: sameStatus.join(', '),
        content: {
          'application/json': {
            schema: { $ref: '#/components/schemas/Error' },
            examples: Object.fromEntries(
              sameStatus.map((code) => {
                const details = EXAMPLE_DETAILS[code];
                return [code, { value: errorEnvelope(new AppError(code, { details })) }];
              }),
            ),
          },
        },
      },
    ]),
  );
}

function operationId(controller: string, method: string): string {
  const name = controller.replace(/Controller$/, '');
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}_${method}`;
}

/** What @Endpoint leaves in the document for `complete`. */
interface Extensions {
  [ACCESS_EXTENSION]: Access;
  [ERRORS_EXTENSION]?: ErrorCode[];
  [FILE_EXTENSION]?: true;
}

function complete(operation: Operation & Extensions, isWrite: boolean): void {
  const access = operation[ACCESS_EXTENSION];
  if (isWrite && access !== 'public' && !operation[FILE_EXTENSION]) {
    operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY];
  }
  const codes = [...impliedCodes(operation, access), ...(operation[ERRORS_EXTENSION] ?? [])];
  operation.responses = { ...operation.responses, ...errorResponses(codes) };
  // "Optional" in OpenAPI: either nothing, or a bearer token.
  if (access === 'optional') operation.security = [{}, { bearer: [] }];
  Reflect.deleteProperty(operation, ERRORS_EXTENSION);
  Reflect.deleteProperty(operation, FILE_EXTENSION);
}

/** The OpenAPI document, with every error of every operation in it. */
export function createDocument(app: INestApplication): OpenAPIObject {
  const settings = new DocumentBuilder()
    .setTitle('CRM backend')
    .setDescription(INTRODUCTION.trim())
    .setVersion('1')
    .addTag('Sign-in', 'From an email and a password to tokens')
    .addTag('Invitations', 'The way into an organization that exists')
    .addTag('Users', 'The people of the own organization')
    .addTag('Companies', 'Whom one does business with')
    .addTag('Contacts', 'The people one talks to')
    .addTag('Pipelines', 'The stages of a sale, and what is in them')
    .addTag('Deals', 'What may be sold, and to whom')
    .addTag('Activities', 'Tasks, calls, meetings, notes and emails')
    .addTag('Search', 'Everything, while one types')
    .addTag('Imports', 'Records from a file')
    .addTag('Jobs', 'Long work: how far it is')
    .addTag('API keys', 'For programs, in the name of a user')
    .addTag('Organization', 'The tenant itself')
    .addTag('Fields', 'What an organization adds to its records')
    .addTag('Audit', 'Who did what, for admins')
    .addTag('Operations', 'Probes; no sign-in needed')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .build();
  const document = SwaggerModule.createDocument(app, settings, { operationIdFactory: operationId });
  for (const path of Object.values(document.paths)) {
    for (const operation of [path.get, path.post, path.put, path.patch, path.delete]) {
      if (operation) complete(operation as Operation & Extensions, operation !== path.get);
    }
  }
  document.components = {
    ...document.components,
    schemas: {
      ...document.components?.schemas,
      ...(recordSchemas() as object),
      Error: ERROR_SCHEMA as never,
    },
  };
  return document;
}

/** Swagger UI at /api/docs, the document at /api/docs-json. */
export function serveDocs(app: INestApplication): void {
  SwaggerModule.setup(DOCS_PATH, app, () => createDocument(app), {
    jsonDocumentUrl: `${DOCS_PATH}-json`,
    customSiteTitle: 'CRM backend',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}
