import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtension,
  ApiExtraModels,
  ApiOperation,
  ApiResponse,
  getSchemaPath,
  type OpenAPIObject,
} from '@nestjs/swagger';
import type { ErrorCode } from './errors';
import { type Access, ACCESS_KEY } from './principal';

/** What the OpenAPI document is completed from (openapi.ts). */
export const ACCESS_EXTENSION = 'x-access';
export const ERRORS_EXTENSION = 'x-errors';
export const FILE_KEY = 'file';
export const FILE_EXTENSION = 'x-file';

export interface EndpointOptions {
  access: Access;
  /** One line for the list of routes. */
  summary: string;
  /** What a caller must know beyond the summary. */
  description?: string;
  /** Status of success; 200 unless told. */
  status?: number;
  /** The DTO in `data`, or the name of its schema; none for an answer without a body. */
  returns?: Type | string;
  /** True when `data` is a list with `meta`. */
  list?: boolean;
  /** True when `data` is a short list, always whole and without `meta`. */
  many?: boolean;
  /**
   * Media type of the file that a write answers with. It is made anew for each request, too long to
   * be kept: an Idempotency-Key does not count there.
   */
  file?: string;
  /**
   * Codes this route answers with on top of those that follow from its shape (token, permission,
   * parameters, body), which the document adds by itself.
   */
  errors?: ErrorCode[];
}

/** Swagger does not export its schema type by name. */
type SchemaObject = Exclude<
  NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string],
  { $ref: string }
>;

const META: SchemaObject = {
  type: 'object',
  required: ['limit', 'next_cursor'],
  properties: {
    limit: { type: 'integer', example: 50 },
    next_cursor: { type: 'string', nullable: true, example: null },
  },
};

function successSchema({ list, many }: EndpointOptions, returns: Type | string): SchemaObject {
  const item = { $ref: getSchemaPath(returns) };
  return {
    type: 'object',
    required: list ? ['success', 'data', 'meta'] : ['success', 'data'],
    properties: {
      success: { type: 'boolean', enum: [true] },
      data: list || many ? { type: 'array', items: item } : item,
      ...(list ? { meta: META } : {}),
    },
  };
}

function fileAnswer(status: number, file: string): MethodDecorator[] {
  const content = { [file]: { schema: { type: 'string', format: 'binary' } } };
  return [
    SetMetadata(FILE_KEY, true),
    ApiExtension(FILE_EXTENSION, true),
    ApiResponse({ status, description: 'A file', content }),
  ];
}

/** Everything a route says about itself but its path: access, status and documentation. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { access, status = 200, returns, file } = options;
  return applyDecorators(
    SetMetadata(ACCESS_KEY, access),
    ApiExtension(ACCESS_EXTENSION, access),
    ApiExtension(ERRORS_EXTENSION, options.errors ?? []),
    HttpCode(status),
    ApiOperation({ summary: options.summary, description: options.description }),
    ...(access === 'public' ? [] : [ApiBearerAuth()]),
    ...(file === undefined ? [] : fileAnswer(status, file)),
    ...(returns
      ? [
          ...(typeof returns === 'string' ? [] : [ApiExtraModels(returns)]),
          ApiResponse({
            status,
            description: options.summary,
            schema: successSchema(options, returns),
          }),
        ]
      : file === undefined
        ? [ApiResponse({ status, description: 'Done; there is no body.' })]
        : []),
  );
}
