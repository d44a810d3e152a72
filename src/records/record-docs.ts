import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiQuery } from '@nestjs/swagger';
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from '../common/page';
import { commonFilters, sortsOf } from './lists/list-query';
import type { RecordDefinition } from './record-definition';

/** The header by which a change is of one version only. */
export const IF_MATCH = ApiHeader({
  name: 'If-Match',
  required: false,
  description: 'The ETag of the version that is to be changed, or 412.',
  schema: { type: 'string', example: '*' },
});

/** The query parameters of the list of an object. */
export function listParameters(definition: RecordDefinition): MethodDecorator {
  return applyDecorators(
    ApiQuery({
      name: 'limit',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: PAGE_LIMIT_MAX, default: PAGE_LIMIT_DEFAULT },
    }),
    ApiQuery({
      name: 'cursor',
      required: false,
      description: '`meta.next_cursor` of the page before',
      schema: { type: 'string' },
    }),
    filterParameters(
      definition,
      `One of ${sortsOf(definition)
        .map((sort) => `\`${sort}\``)
        .join(', ')}, or \`custom.<key>\` of ` +
        'an indexed custom field; `-` for the other way round.',
    ),
  );
}

/** Those that say which records, and in what order: `sort` describes the orders there are. */
export function filterParameters(definition: RecordDefinition, sort: string): MethodDecorator {
  const filters = Object.entries(commonFilters(definition)).map(([name, { description }]) =>
    ApiQuery({ name, required: false, description, schema: { type: 'string' } }),
  );
  const time = { type: 'string', format: 'date-time' } as const;
  return applyDecorators(
    ApiQuery({
      name: 'sort',
      required: false,
      description: sort,
      schema: { type: 'string', default: '-created_at' },
    }),
    ApiQuery({
      name: 'q',
      required: false,
      description:
        'Words, each of which begins a word of the record; an email, a domain or the digits of a ' +
        'phone number count as words. At least 2 characters. Matches come in alphabetical order.',
      schema: { type: 'string', minLength: 2, maxLength: 100 },
    }),
    ...filters,
    ApiQuery({
      name: 'created_from',
      required: false,
      description: 'Not created before.',
      schema: time,
    }),
    ApiQuery({
      name: 'created_to',
      required: false,
      description: 'Created before.',
      schema: time,
    }),
    ApiQuery({
      name: 'deleted',
      required: false,
      description: 'true: the deleted records instead, latest first.',
      schema: { type: 'boolean', default: false },
    }),
  );
}

export const LIST_DESCRIPTION =
  'Filters can be combined, and `custom.<key>=` filters by an indexed custom field. Unknown ' +
  'parameters are refused. A page may be short, or empty, and still have a next_cursor: then little ' +
  'of what was looked at matched, and the next page looks on.';

/** A body whose schema is made from the definition of a kind of record. */
export const bodyOf = (name: string) =>
  ApiBody({ schema: { $ref: `#/components/schemas/${name}` } });
