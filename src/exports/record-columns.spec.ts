import { activities } from '../activities/activity';
import { companies } from '../companies/company';
import { contacts } from '../contacts/contact';
import { deals } from '../deals/deal';
import type { Field, FieldKind } from '../fields/field';
import { columnsOf, fromCells, headerOf, patchFromCells, toCells } from '../records/columns';
import { parseRecord } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';

const OWNER = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';
const OTHER = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12';
const users = {
  emailOf: (id: string) => (id === OWNER ? 'ann@example.com' : undefined),
  idOf: (email: string) => (email === 'ann@example.com' ? OWNER : undefined),
};

function field(key: string, kind: FieldKind, archived = false): Field {
  return {
    organizationId: 'org',
    object: 'contacts',
    key,
    label: key,
    kind,
    required: false,
    unique: false,
    indexed: false,
    options: kind === 'multi_select' || kind === 'select' ? ['=a;b', '\\', 'c'] : [],
    referenceTo: null,
    archived,
    version: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  };
}

/** What is read from the cells that a record was written to. */
function throughCells(definition: RecordDefinition, fields: Field[], body: object) {
  const columns = columnsOf(definition, fields);
  const data = parseRecord(definition, fields, body);
  const written = toCells(columns, { id: OTHER, version: 3, ...data }, users);
  const header = headerOf(columns);
  expect(written).toHaveLength(header.length);
  expect(new Set(header).size).toBe(header.length);
  const read = fromCells(columns, (name) => written[header.indexOf(name)], users);
  const { id, ...rest } = read;
  expect(id).toBe(OTHER);
  return { cells: written, data, read: rest, again: parseRecord(definition, fields, rest) };
}

const people = Array.from({ length: 5 }, (_, index) => ({
  value: `bob${String(index)}@example.com`,
  label: index % 2 === 0 ? null : '=work',
  primary: index === 3,
}));

const BODIES: [string, RecordDefinition, object][] = [
  ['an empty company', companies, { name: '=1+1' }],
  [
    'a full company',
    companies,
    {
      name: '\'-tricky, "quoted"\nlines',
      domains: ['acme.example', 'acme.test'],
      phones: [{ value: '+4930901820', label: '@office' }],
      size: 250,
      address: { city: 'Berlin', country: 'DE' },
      tags: ['-vip', 'a;b', 'back\\slash', 'x'],
      external_ids: { hubspot: '=7', erp: '"8"' },
      owner_id: OWNER,
      parent_id: OTHER,
    },
  ],
  ['a contact of one name', contacts, { first_name: "=cmd|' /C calc'!A0", owner_id: OTHER }],
  [
    'a full contact',
    contacts,
    {
      last_name: 'Jones',
      emails: people,
      consent: { email: true, phone: false, at: '2026-01-31T09:30:00.000Z' },
      custom: {
        text: '=text',
        number: -5.25e-7,
        money: { amount: -1250, currency: 'EUR' },
        day: '2026-01-31',
        flag: false,
        choices: ['=a;b', '\\'],
        choice: 'c',
      },
    },
  ],
  [
    'a deal',
    deals,
    { name: 'x', amount: 0, probability: 0, contact_ids: [OTHER, OWNER], lost_reason: '\u{1F600}' },
  ],
  [
    'an activity',
    activities,
    {
      kind: 'task',
      subject: 'x',
      status: 'done',
      priority: 'high',
      assignee_id: OWNER,
      links: [{ object: 'deals', id: OTHER }],
    },
  ],
];
const FIELDS = [
  field('text', 'text'),
  field('number', 'number'),
  field('money', 'money'),
  field('day', 'date'),
  field('flag', 'boolean'),
  field('choices', 'multi_select'),
  field('choice', 'select'),
];

describe('columns of records', () => {
  it.each(BODIES)('reads %s back as it was written', (_, definition, body) => {
    const { data, again } = throughCells(definition, FIELDS, body);
    expect(again).toEqual(data);
  });

  it('J3: writes no text that a spreadsheet would run, and numbers as they are', () => {
    const body = BODIES.find(([name]) => name === 'a full contact')?.[2] ?? {};
    const { cells } = throughCells(contacts, FIELDS, body);
    const starts = cells.filter((cell) => /^[=+\-@\t\r]/.test(cell));
    expect(starts).toEqual(['-5.25e-7', '-1250']);
  });

  it('begins with the id, names the owner by email, and leaves archived fields out', () => {
    const header = headerOf(
      columnsOf(contacts, [field('old', 'text', true), field('new', 'text')]),
    );
    expect(header[0]).toBe('id');
    expect(header).toEqual(
      expect.arrayContaining(['owner', 'email', 'address.city', 'custom.new']),
    );
    expect(header).not.toContain('custom.old');
    const { cells, data } = throughCells(contacts, [], { last_name: 'x', owner_id: OWNER });
    expect(cells).toContain('ann@example.com');
    expect(data.owner_id).toBe(OWNER);
  });

  it('says nothing of columns that are not there, and leaves out what the server writes', () => {
    const cells: Record<string, string> = { first_name: 'Bob', version: '7', 'address.city': '' };
    const read = fromCells(columnsOf(contacts, []), (name) => cells[name], users);
    expect(read).toEqual({ first_name: 'Bob', address: null });
  });

  it('reads a row as a patch that leaves fields of empty cells alone, or clears them', () => {
    const cells: Record<string, string> = {
      first_name: '',
      email: '',
      email_label: 'work',
      'address.city': '',
      'consent.email': '',
      'consent.phone': '',
      'consent.at': '',
      'consent.source': '',
      'custom.money.amount': '',
      'custom.money.currency': '',
      external_ids: '',
      tags: 'a; b;',
    };
    const columns = columnsOf(contacts, FIELDS);
    const patchWith = (clears: boolean) =>
      patchFromCells(columns, (name) => cells[name], users, clears);
    expect(patchWith(false)).toEqual({ tags: ['a', 'b'] });
    expect(patchWith(true)).toEqual({
      first_name: null,
      emails: [],
      address: { city: null },
      consent: null,
      custom: { money: null },
      external_ids: null,
      tags: ['a', 'b'],
    });
  });

  it('leaves what is no value for the check to refuse', () => {
    const cells: Record<string, string> = { name: 'x', size: 'many', external_ids: '{' };
    const read = fromCells(columnsOf(companies, []), (name) => cells[name], users);
    expect(read).toEqual({ name: 'x', size: 'many', external_ids: '{' });
  });
});
