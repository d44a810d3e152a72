import { type FieldFault, validationFailed } from '../../common/errors';
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from '../../common/page';
import { filterKey, indexKeys } from '../../fields/custom-values';
import type { Field } from '../../fields/field';
import { dateTime, id, text } from '../../fields/kinds';
import { customScope, ownerScope, tagScope } from '../scopes';
import type { StoredRecord } from '../record';
import { SOURCE } from '../record-body';
import { type Filter, ownersOf, type RecordDefinition } from '../record-definition';

/** One condition of a list, ready to be applied. */
export interface Condition {
  name: string;
  value: string;
  filter: Filter;
}

/** A list as it was asked for, checked. */
export interface ListQuery {
  limit: number;
  cursor?: string;
  order: string;
  descending: boolean;
  conditions: Condition[];
  /** Epoch ms of the creation: not before, and before. */
  createdFrom?: string;
  createdTo?: string;
  /** A search: words, each of which begins a word of the record. */
  q?: string;
  deleted: boolean;
}

const Q_MAX = 100;
const CURSOR_MAX = 1024;

/** The sorts of every object, and the order of the lists that serve them. */
const COMMON_SORTS: Record<string, string> = { created_at: 'created', name: 'name' };

// Their schemas are made once: made for every request they are 0.1 ms of it.
const EXTERNAL_ID: Filter = {
  schema: text(250).refine(
    (value) => {
      const { source, key } = splitExternal(value);
      return SOURCE.test(source) && key !== '';
    },
    { error: 'must look like source:key' },
  ),
  description: 'The record that another system knows by this key: `source:key`.',
  matches: ({ data }, value) => {
    const { source, key } = splitExternal(value);
    return data.external_ids[source] === key;
  },
  unique: (value) => {
    const { source, key } = splitExternal(value);
    return { field: `external:${source}`, value: key };
  },
};
const TAG: Filter = {
  schema: text(50),
  description: 'Records with this tag.',
  matches: ({ data }, value) => data.tags.includes(value),
  scope: tagScope,
};
const OWNER_ID = id();
const CUSTOM = text(200);

export function commonFilters(definition: RecordDefinition): Record<string, Filter> {
  return {
    external_id: EXTERNAL_ID,
    ...definition.filters,
    tag: TAG,
    owner_id: {
      schema: OWNER_ID,
      description: 'Records of this user.',
      matches: (record, value) => ownersOf(definition, record.data).includes(value),
      scope: ownerScope,
    },
  };
}

function splitExternal(value: string): { source: string; key: string } {
  const [source = '', ...key] = value.split(':');
  return { source, key: key.join(':') };
}

/** What `sort` can be, without the custom fields. */
export function sortsOf(definition: RecordDefinition): string[] {
  const names = [...Object.keys(COMMON_SORTS), ...Object.keys(definition.orders ?? {})];
  return names.flatMap((name) => [name, `-${name}`]);
}

function customFilter(field: Field): Filter {
  return {
    schema: CUSTOM,
    description: '',
    matches: ({ data }: StoredRecord, value) => {
      const own = data.custom[field.key];
      return own !== undefined && own !== null && indexKeys(field, own).includes(value);
    },
    scope: (value) => customScope(field.key, value),
  };
}

/**
 * Checks the query parameters of a list, every fault at once. Unknown parameters and repeated ones
 * are refused: a filter that is silently ignored is a wrong answer.
 * @throws AppError VALIDATION_FAILED
 */
export function parseListQuery(
  definition: RecordDefinition,
  fields: readonly Field[],
  query: Record<string, unknown>,
): ListQuery {
  const faults: FieldFault[] = [];
  const fault = (field: string, rule: string, message: string) => {
    faults.push({ field: field.slice(0, 100), rule, message });
  };
  const result: ListQuery = {
    limit: PAGE_LIMIT_DEFAULT,
    order: 'created',
    descending: true,
    conditions: [],
    deleted: false,
  };
  const filters = commonFilters(definition);
  const indexed = new Map(
    fields.filter((field) => field.indexed && !field.archived).map((field) => [field.key, field]),
  );
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'string') {
      fault(name, 'isString', `${name.slice(0, 100)} must be given once`);
      continue;
    }
    const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
    const custom = name.startsWith('custom.')
      ? indexed.get(name.slice('custom.'.length))
      : undefined;
    if (filter) {
      const parsed = filter.schema.safeParse(value);
      if (parsed.success) result.conditions.push({ name, value: parsed.data, filter });
      else fault(name, 'filter', `${name} ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
    } else if (custom) {
      const key = filterKey(custom, value);
      if (key === undefined) fault(name, 'filter', `${name} is not a value of that field`);
      else result.conditions.push({ name, value: key, filter: customFilter(custom) });
    } else if (!setParameter(result, definition, indexed, name, value)) {
      const known = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
      fault(
        name,
        known ? 'parameter' : 'unknownField',
        known ?? 'This parameter is not known here.',
      );
    }
  }
  if (result.q !== undefined && 'sort' in query) {
    fault('sort', 'parameter', 'sort cannot be combined with q: matches are in alphabetical order');
  }
  if (faults.length > 0) throw validationFailed(faults);
  return result;
}

/** What is wrong with a parameter that has no filter of its own. */
const PARAMETERS: Record<string, string> = {
  limit: `limit must be a whole number from 1 to ${String(PAGE_LIMIT_MAX)}`,
  cursor: 'cursor must be the next_cursor of the page before',
  sort: 'sort must be one of the sorts of this list',
  created_from: 'created_from must be a time such as 2026-01-31T09:30:00.000Z',
  created_to: 'created_to must be a time such as 2026-01-31T09:30:00.000Z',
  q: `q must be text of 2 to ${String(Q_MAX)} characters`,
  deleted: 'deleted must be true or false',
};

/** False: unknown, or not a value it can have. */
function setParameter(
  result: ListQuery,
  definition: RecordDefinition,
  indexed: ReadonlyMap<string, Field>,
  name: string,
  value: string,
): boolean {
  switch (name) {
    case 'limit':
      result.limit = /^\d{1,4}$/.test(value) ? Number(value) : 0;
      return result.limit >= 1 && result.limit <= PAGE_LIMIT_MAX;
    case 'cursor':
      result.cursor = value;
      return value.length > 0 && value.length <= CURSOR_MAX;
    case 'sort': {
      result.descending = value.startsWith('-');
      const sort = value.slice(result.descending ? 1 : 0);
      const custom = sort.startsWith('custom.') && indexed.has(sort.slice('custom.'.length));
      result.order = COMMON_SORTS[sort] ?? sort;
      return custom || sortsOf(definition).includes(value);
    }
    case 'created_from':
    case 'created_to': {
      const parsed = dateTime().safeParse(value);
      if (parsed.success)
        result[name === 'created_from' ? 'createdFrom' : 'createdTo'] = parsed.data;
      return parsed.success;
    }
    case 'q':
      result.q = value.trim();
      return result.q.length >= 2 && result.q.length <= Q_MAX;
    case 'deleted':
      result.deleted = value === 'true';
      return value === 'true' || value === 'false';
    default:
      return false;
  }
}
