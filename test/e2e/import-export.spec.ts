import { randomUUID } from 'node:crypto';
import { FIELD_KINDS } from '../../src/fields/field';
import { type Account, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { parseCsv } from '../support/csv';
import { Importer } from '../support/imports';
import { Crm } from '../support/records';

const OBJECTS = ['companies', 'contacts', 'deals', 'activities'];
/** What only the server writes. */
const STAMPS = ['version', 'created_at', 'created_by', 'updated_at', 'updated_by', 'deleted_at'];
const OWN: Record<string, string[]> = {
  companies: STAMPS,
  contacts: STAMPS,
  deals: ['status', 'stage_entered_at', 'closed_at', 'stage_history', ...STAMPS],
  activities: ['completed_at', ...STAMPS],
};
const TRICKY = ['=1+1', "'=1+1", "''+x", '@x', '\'quoted, "too"', '\u00e4\u{1F600} \u0646\u0635'];
const TAGS = ['a;b', 'back\\slash', '\\;', '-c'];
const OPTIONS = ['=a;b', '\\', 'c'];

type Row = Record<string, string>;

describe('An export brought into another organization', () => {
  let server: TestApp;
  let admin: Account;
  let crm: Crm;
  let other: Crm;
  let importer: Importer;

  beforeAll(async () => {
    server = await startApp({ WORKERS: 'on' });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
    crm = new Crm(server.url, admin);
    const stranger = await server.api.newAdmin();
    other = new Crm(server.url, stranger);
    importer = new Importer(server.url, stranger);
  });

  const fileOf = async (from: Crm, object: string) => {
    const response = await from.get(`${object}/export?sort=created_at`);
    expect(response.status).toBe(200);
    return response.text;
  };
  const rowsOf = (file: string): Row[] => {
    const [header = [], ...rows] = parseCsv(file);
    return rows.map((cells) =>
      Object.fromEntries(header.map((name, index) => [name, cells[index] ?? ''])),
    );
  };
  const withoutOwn = (object: string, rows: Row[]) =>
    rows
      .map((row) =>
        Object.fromEntries(Object.entries(row).filter(([key]) => !OWN[object]?.includes(key))),
      )
      .sort((one, next) => String(one.id).localeCompare(String(next.id)));

  /** Somebody of the same address in both organizations; his id in the first one. */
  async function newColleague(): Promise<string> {
    const user = { email: newEmail(), password: newPassword(), role: 'manager' };
    const [id] = await Promise.all(
      [crm, other].map(async ({ account }) => {
        const body = { ...user, organization_id: account.organizationId };
        const added = await server.api.register(body, account.token);
        expect(added.status).toBe(201);
        return (added.body as { data: { user: { id: string } } }).data.user.id;
      }),
    );
    return id ?? '';
  }

  /** A custom field of every kind, in both organizations. */
  async function addFields(object: string): Promise<void> {
    for (const to of [crm, other]) {
      for (const kind of FIELD_KINDS) {
        const response = await to.send('post', `fields/${object}`, {
          key: `a_${kind}`,
          label: kind,
          kind,
          ...(kind.endsWith('select') ? { options: OPTIONS } : {}),
          ...(kind === 'reference' ? { reference_to: 'companies' } : {}),
        });
        expect([kind, response.status]).toEqual([kind, 201]);
      }
    }
  }

  const customValues = (company: string) => ({
    a_text: TRICKY.join('\n'),
    a_number: -5.25e-7,
    a_money: { amount: -1250, currency: 'EUR' },
    a_date: '2026-01-31',
    a_datetime: '2026-01-31T09:30:00.000Z',
    a_boolean: false,
    a_select: '=a;b',
    a_multi_select: ['\\', '=a;b'],
    a_url: 'https://example.com/?a=b,c',
    a_email: newEmail(),
    a_phone: '+4930901820',
    a_reference: company,
  });

  async function fill(colleague: string): Promise<void> {
    const owner = { owner_id: colleague };
    const company = await crm.create('companies', {
      name: '=1+1',
      domains: [`${randomUUID()}.example`, `${randomUUID()}.example`],
      website: 'https://example.com',
      size: 0,
      phones: [{ value: '+4930901820', label: '@office' }],
      address: { street: 'Two\nlines, "quoted"', city: 'Berlin', country: 'DE' },
      tags: TAGS,
      external_ids: { hubspot: '+7', erp: '"8"' },
      ...owner,
    });
    await crm.create('companies', {
      name: "'+child",
      parent_id: company.id,
      owner_id: null,
      custom: customValues(company.id),
    });
    const contact = await crm.create('contacts', {
      first_name: "=cmd|' /C calc'!A0",
      company_id: company.id,
      emails: Array.from({ length: 5 }, (_, index) => ({
        value: `${String(index)}${randomUUID()}@example.com`,
        label: index === 2 ? '=work' : null,
        primary: index === 4,
      })),
      phones: ['+4930901820', '+4930901821'].map((value) => ({ value, label: '-x' })),
      consent: { email: true, phone: false, at: '2026-01-31T09:30:00.000Z' },
      custom: customValues(company.id),
      ...owner,
    });
    for (const last_name of TRICKY) await crm.create('contacts', { last_name, owner_id: null });
    const [pipeline] = await crm.walk('pipelines');
    const stages = pipeline?.stages as { id: string; type: string }[];
    // Pipelines are taken over first, with their ids.
    await other.create('pipelines', { id: pipeline?.id, name: 'Theirs', stages });
    const lost = stages.find(({ type }) => type === 'lost')?.id;
    const deal = await crm.create('deals', {
      name: "'+x",
      amount: 5,
      currency: 'JPY',
      contact_ids: [contact.id],
      company_id: company.id,
      ...owner,
    });
    await crm.create('deals', { name: 'Lost', stage_id: lost, lost_reason: '=gone', ...owner });
    await crm.create('activities', {
      kind: 'task',
      subject: '=task',
      assignee_id: null,
      due_at: '2026-01-31T09:30:00.000Z',
      links: [
        { object: 'deals', id: deal.id },
        { object: 'contacts', id: contact.id },
      ],
      ...owner,
    });
    await crm.create('activities', { kind: 'call', subject: 'x', status: 'done', ...owner });
    await crm.create('activities', {
      kind: 'note',
      subject: 'y',
      assignee_id: colleague,
      ...owner,
    });
  }

  it('J3: has the same cells again, formulas and all, and changes nothing a second time', async () => {
    const colleague = await newColleague();
    await addFields('companies');
    await addFields('contacts');
    await fill(colleague);
    for (const object of OBJECTS) {
      const file = await fileOf(crm, object);
      const rows = rowsOf(file);
      const begun = await importer.begin({ object }, file);
      expect(begun.read_only_columns).toEqual(OWN[object]);
      expect(begun.unmapped_columns).toEqual([]);
      const { id, progress } = await importer.ended(begun.id);
      expect([object, progress.counts, await importer.errors(id)]).toEqual([
        object,
        { created: rows.length },
        [expect.stringMatching(/^line,error/)],
      ]);
      const again = await fileOf(other, object);
      expect(withoutOwn(object, rowsOf(again))).toEqual(withoutOwn(object, rows));
      for (const clear_empty of ['false', 'true']) {
        const repeated = await importer.run({ object, mode: 'update', clear_empty }, again);
        expect([object, repeated.progress.counts]).toEqual([object, { unchanged: rows.length }]);
      }
    }
  });

  it('has rows that refer to rows further down', async () => {
    const [child = '', middle = '', parent = ''] = Array.from({ length: 3 }, () => randomUUID());
    const { progress } = await importer.run(
      { object: 'companies' },
      [
        'id,name,parent_id',
        `${child},Child,${middle}`,
        `${middle},Middle,${parent}`,
        `${parent},Parent,`,
        `${randomUUID()},Orphan,${randomUUID()}`,
        '',
      ].join('\n'),
    );
    expect(progress.counts).toEqual({ created: 3, failed: 1 });
    expect(await other.read('companies', child)).toMatchObject({ parent_id: middle });
  });

  it('leaves fields of empty cells alone in an update, unless it is told to clear them', async () => {
    const contact = await crm.create('contacts', {
      last_name: 'Jones',
      title: 'CTO',
      emails: [{ value: newEmail(), label: 'work' }, { value: newEmail() }],
      tags: ['x'],
      external_ids: { erp: '1', hubspot: '2' },
      address: { street: 'Main', city: 'Berlin' },
    });
    const mine = new Importer(server.url, admin);
    const update = (file: string, fields: Record<string, string> = {}) =>
      mine.run({ object: 'contacts', mode: 'update', ...fields }, file);
    const file = `id,title,tags,external_ids.erp,address.city,email\n${contact.id},,,,,\n`;
    expect((await update(file)).progress.counts).toEqual({ unchanged: 1 });
    expect((await update(file, { clear_empty: 'true' })).progress.counts).toEqual({ updated: 1 });
    expect(await crm.read('contacts', contact.id)).toMatchObject({
      last_name: 'Jones',
      title: null,
      emails: [],
      tags: [],
      external_ids: { hubspot: '2' },
      address: { street: 'Main', city: null },
    });
    const named = await update(`id,last_name,first_name\n${contact.id},,Bob\n`, {
      clear_empty: 'true',
    });
    expect(named.progress.counts).toEqual({ updated: 1 });
    expect(await crm.read('contacts', contact.id)).toMatchObject({
      last_name: null,
      first_name: 'Bob',
    });
  });

  it('keeps the other addresses of a contact that is found by one of them', async () => {
    const [first, second] = [newEmail(), newEmail()];
    const emails = [{ value: first, label: 'work' }, { value: second }];
    const contact = await crm.create('contacts', { last_name: 'Jones', emails });
    const mine = new Importer(server.url, admin);
    const fields = { object: 'contacts', mode: 'upsert', match_by: 'email' };
    const { progress } = await mine.run(fields, `email,title\n${second},CEO\n`);
    expect(progress.counts).toEqual({ updated: 1 });
    expect(await crm.read('contacts', contact.id)).toMatchObject({
      title: 'CEO',
      emails: [{ value: first, label: 'work' }, { value: second }],
    });
  });
});
