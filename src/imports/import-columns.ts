import { z } from 'zod';
import type { Field } from '../fields/field';
import { commonSchema, SOURCE } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';

/** What a cell is read as. */
type CellKind = 'text' | 'number' | 'boolean' | 'list' | 'labelled' | 'links' | 'money' | 'owner';

/** A column that an import understands. */
export interface ImportColumn {
  /** As in a mapping, e.g. `address.city`, `custom.tier`, `external_ids.hubspot`. */
  name: string;
  kind: CellKind;
  /** What else it may be called, normalised. */
  synonyms: string[];
}

/** Which columns are called otherwise in the files of others. */
const SYNONYMS: Record<string, string> = {
  first_name: 'first forename givenname vorname',
  last_name: 'last surname familyname nachname',
  name: 'companyname company dealname title account accountname',
  emails: 'email emailaddress mail emailaddresses',
  phones: 'phone telephone tel mobile phonenumber mobilephone cell',
  title: 'jobtitle position role',
  domains: 'domain webdomain',
  website: 'url web homepage site',
  industry: 'sector branch',
  size: 'employees headcount numberofemployees',
  'address.street': 'street streetaddress address address1 addressline1',
  'address.city': 'city town',
  'address.state': 'state region province county',
  'address.postal_code': 'postalcode zip zipcode postcode',
  'address.country': 'country countrycode',
  owner: 'owneremail assignedto responsible',
  tags: 'tag labels label',
  amount: 'value dealvalue',
  close_date: 'expectedclosedate closing',
  subject: 'summary',
  body: 'notes description text note',
  due_at: 'duedate due',
  kind: 'type activitytype',
};

interface Shape {
  type?: string;
  properties?: Record<string, Shape>;
  items?: Shape;
}

export const normalised = (name: string) =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');

/** Every column of a kind of record, but those of other systems' ids: there is no end of them. */
export function importColumns(
  definition: RecordDefinition,
  fields: readonly Field[],
): ImportColumn[] {
  const own = z.toJSONSchema(definition.schema, { io: 'input', unrepresentable: 'any' }) as Shape;
  const { owner_id, tags } = commonSchema.shape;
  const common = z.toJSONSchema(z.object({ owner_id, tags }), {
    io: 'input',
    unrepresentable: 'any',
  }) as Shape;
  const custom = fields.filter(({ archived }) => !archived);
  return [
    column('id', 'text'),
    ...columnsOf({ ...own.properties, ...common.properties }),
    column('owner', 'owner'),
    ...custom.map((field) => ({
      ...column(`custom.${field.key}`, kindOfField(field)),
      synonyms: [normalised(field.key), normalised(field.label)],
    })),
  ];
}

/** A column by its name; undefined where there is none. */
export function columnNamed(
  columns: readonly ImportColumn[],
  name: string,
): ImportColumn | undefined {
  const found = columns.find((one) => one.name === name);
  if (found) return found;
  const [, source = ''] = /^external(?:_ids\.|:)(.*)$/.exec(name) ?? [];
  return SOURCE.test(source) ? column(`external_ids.${source}`, 'text') : undefined;
}

function column(name: string, kind: CellKind): ImportColumn {
  const own = [normalised(name), normalised(name.split('.').at(-1) ?? '')];
  return { name, kind, synonyms: [...own, ...(SYNONYMS[name] ?? '').split(' ').filter(Boolean)] };
}

function columnsOf(properties: Record<string, Shape>, prefix = ''): ImportColumn[] {
  return Object.entries(properties).flatMap(([key, given]) => {
    const shape = withoutNull(given);
    const name = prefix + key;
    if (shape.type === 'object' && shape.properties) {
      return columnsOf(shape.properties, `${name}.`);
    }
    return [column(name, kindOf(shape))];
  });
}

/** JSON Schema says "or null" by `anyOf`. */
function withoutNull(shape: Shape & { anyOf?: Shape[] }): Shape {
  return shape.anyOf?.find(({ type }) => type !== 'null') ?? shape;
}

function kindOf({ type, items }: Shape): CellKind {
  if (type === 'array') {
    if (items?.properties?.value) return 'labelled';
    return items?.properties?.object ? 'links' : 'list';
  }
  if (type === 'integer' || type === 'number') return 'number';
  return type === 'boolean' ? 'boolean' : 'text';
}

function kindOfField({ kind }: Field): CellKind {
  if (kind === 'number' || kind === 'boolean' || kind === 'money') return kind;
  return kind === 'multi_select' ? 'list' : 'text';
}

/** What a spreadsheet would take for a formula was exported with a quote before it. */
export function restoreCell(cell: string): string {
  return /^'[=+\-@\t\r\0]/.test(cell) ? cell.slice(1) : cell;
}

const BOOLEANS: Record<string, boolean> = {
  true: true,
  yes: true,
  y: true,
  '1': true,
  false: false,
  no: false,
  n: false,
  '0': false,
};

/** What a cell says, as a client would send it. What is not of its kind is left to be refused. */
export function readCell(kind: CellKind, cell: string): unknown {
  const text = cell.trim();
  if (/^[[{]/.test(text)) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // Then it is meant as it stands.
    }
  }
  switch (kind) {
    case 'number':
      return /^-?\d{1,15}([.,]\d{1,10})?$/.test(text) ? Number(text.replace(',', '.')) : text;
    case 'boolean':
      return BOOLEANS[text.toLowerCase()] ?? text;
    case 'list':
      return parts(text);
    case 'labelled':
      return parts(text).map((value) => ({ value }));
    case 'links':
      return parts(text).map((link) => {
        const [object = '', id = ''] = link.split(':');
        return { object, id };
      });
    case 'money': {
      const [amount = '', currency] = text.split(/\s+/);
      return { amount: readCell('number', amount), currency };
    }
    default:
      return text;
  }
}

function parts(text: string): string[] {
  return text
    .split(/[;\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Puts a value where a column says, e.g. `address.city`. */
export function place(body: Record<string, unknown>, name: string, value: unknown): void {
  const dot = name.indexOf('.');
  if (dot < 0) {
    body[name] = value;
    return;
  }
  const head = name.slice(0, dot);
  const inner = (body[head] ?? {}) as Record<string, unknown>;
  body[head] = { ...inner, [name.slice(dot + 1)]: value };
}
