import { randomUUID } from 'node:crypto';
import { activities } from '../../src/activities/activity';
import { companies } from '../../src/companies/company';
import { contacts } from '../../src/contacts/contact';
import { deals } from '../../src/deals/deal';
import { columnsOf, fromCells } from '../../src/records/columns';
import type { RecordDefinition } from '../../src/records/record-definition';
import type { Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { Crm, faultsOf, inParallel, type RecordBody } from '../support/records';

const KINDS: [string, RecordDefinition][] = [
  ['companies', companies],
  ['contacts', contacts],
  ['deals', deals],
  ['activities', activities],
];
/** What is another thing in every organization, and at every time. */
const OWN = ['organization_id', 'created_at', 'created_by', 'updated_at', 'updated_by', 'version'];
const OF_STAGES = ['stage_entered_at', 'stage_history', 'completed_at', 'closed_at'];

/** The cells of a CSV file (RFC 4180). */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g,
  )) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}

describe('Exports', () => {
  let server: TestApp;
  let admin: Account;
  let crm: Crm;

  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
    crm = new Crm(server.url, admin);
  });

  const csvOf = async (from: Crm, path: string) => {
    const response = await from.get(path);
    expect([path, response.status]).toEqual([path, 200]);
    const [header = [], ...rows] = parseCsv(response.text);
    return rows.map((row) => new Map(header.map((name, index) => [name, row[index] ?? ''])));
  };
  const ndjsonOf = async (from: Crm, object: string) => {
    const response = await from.get(`${object}/export?format=ndjson&sort=created_at`);
    expect(response.status).toBe(200);
    const lines = response.text.trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as RecordBody);
  };

  /** Brings the rows of an export into an organization: the place to put an import in. */
  async function importRows(to: Crm, definition: RecordDefinition, rows: Map<string, string>[]) {
    const columns = columnsOf(definition, []);
    const users = { emailOf: () => undefined, idOf: () => to.account.id };
    for (const row of rows) {
      await to.create(
        definition.object,
        fromCells(columns, (name) => row.get(name), users),
      );
    }
  }

  it('gives the same again after they were brought into another organization', async () => {
    const company = await crm.create('companies', {
      name: '=1+1',
      domains: [`${randomUUID()}.example`],
      address: { city: 'Berlin', street: 'Two\nlines, "quoted"' },
      tags: ['a;b', '-c'],
      external_ids: { hubspot: '+7' },
    });
    const contact = await crm.create('contacts', {
      first_name: "=cmd|' /C calc'!A0",
      company_id: company.id,
      emails: Array.from({ length: 5 }, (_, index) => ({
        value: `${String(index)}${randomUUID()}@example.com`,
        label: index === 2 ? '@work' : null,
        primary: index === 4,
      })),
      phones: [{ value: '+4930901820' }],
      consent: { email: true, at: '2026-01-31T09:30:00.000Z' },
    });
    const deal = await crm.create('deals', {
      name: "'+x",
      amount: 5,
      contact_ids: [contact.id],
      owner_id: null,
    });
    const links = [{ object: 'deals', id: deal.id }];
    await crm.create('activities', { kind: 'task', subject: '\u00e4\u{1F600}', links });
    const other = new Crm(server.url, await server.api.newAdmin());
    const [pipeline] = await crm.walk('pipelines');
    await other.create('pipelines', {
      id: pipeline?.id,
      name: 'Theirs',
      stages: pipeline?.stages,
    });
    for (const [object, definition] of KINDS) {
      await importRows(other, definition, await csvOf(crm, `${object}/export`));
      const withoutOwn = (record: RecordBody) => {
        const entries = Object.entries(record).filter(
          ([key]) => ![...OWN, ...OF_STAGES].includes(key),
        );
        const text = JSON.stringify(Object.fromEntries(entries));
        return JSON.parse(text.replaceAll(other.account.id, admin.id)) as object;
      };
      const [before, after] = [await ndjsonOf(crm, object), await ndjsonOf(other, object)];
      expect(before).toHaveLength(1);
      expect(after.map(withoutOwn)).toEqual(before.map(withoutOwn));
    }
  });

  it('J3: has no cell of text that a spreadsheet would run', async () => {
    const name = "=cmd|' /C calc'!A0";
    await crm.create('contacts', { first_name: name, last_name: '@x', tags: ['-1'] });
    const [row] = await csvOf(crm, 'contacts/export');
    expect(row?.get('first_name')).toBe(`'${name}`);
    const texts = [...(row ?? [])].filter(([, cell]) => /^[=+\-@\t\r]/.test(cell));
    expect(texts).toEqual([]);
  });

  it('have each record once, over many pages, in the order of creation', async () => {
    const batches = await inParallel(5, 2, (batch) =>
      crm.batch(
        'contacts',
        'create',
        Array.from({ length: 90 }, (_, index) => ({
          data: { last_name: `n${String(batch)}-${String(index)}` },
        })),
      ),
    );
    const ids = batches.flat().map(({ data }) => data?.id);
    const rows = await csvOf(crm, 'contacts/export?sort=created_at');
    expect(rows).toHaveLength(450);
    expect(new Set(rows.map((row) => row.get('id')))).toEqual(new Set(ids));
    const times = rows.map((row) => row.get('created_at') ?? '');
    expect(times).toEqual([...times].sort());
    expect(await ndjsonOf(crm, 'contacts')).toHaveLength(450);
  });

  it('have the records that the caller may see, and asks for', async () => {
    const member = new Crm(server.url, await server.api.newUser(admin, 'member'));
    const own = await member.create('deals', { name: 'Own', tags: ['x'] });
    await crm.create('deals', { name: 'Not his' });
    const seen = await csvOf(member, 'deals/export');
    expect(seen.map((row) => row.get('id'))).toEqual([own.id]);
    expect(await csvOf(crm, 'deals/export')).toHaveLength(2);
    expect(await csvOf(crm, 'deals/export?tag=x')).toHaveLength(1);
    const stranger = new Crm(server.url, await server.api.newAdmin());
    expect(await csvOf(stranger, 'deals/export')).toEqual([]);
  });

  it('are files with a name, and with a byte order mark where one is asked for', async () => {
    const response = await crm.get('companies/export?bom=true', { Accept: 'text/csv' });
    expect(response.headers['content-disposition']).toMatch(
      /^attachment; filename="companies-\d{4}-\d\d-\d\d\.csv"$/,
    );
    expect(response.headers['content-type']).toMatch(/^text\/csv; charset=utf-8/);
    expect(response.headers['content-length']).toBeUndefined();
    expect(response.text).toMatch(/^\uFEFFid,name,/);
    const audited = await crm.page('audit', { action: 'records.exported' });
    expect(audited.data[0]).toMatchObject({ details: { object: 'companies', format: 'csv' } });
  });

  it('refuse what an export has not', async () => {
    const query = 'companies/export?';
    expect(faultsOf(await crm.get(`${query}format=xls`))).toEqual(['format parameter']);
    expect(faultsOf(await crm.get(`${query}limit=5`))).toEqual(['limit parameter']);
    expect(faultsOf(await crm.get(`${query}sort=name`))).toEqual(['sort parameter']);
    expect(faultsOf(await crm.get(`${query}bom=1`))).toEqual(['bom parameter']);
    expect(faultsOf(await crm.get(`${query}color=red`))).toEqual(['color unknownField']);
  });

  it('leave archived fields out', async () => {
    await crm.send('post', 'fields/companies', { key: 'tier', label: 'Tier', kind: 'text' });
    await crm.create('companies', { name: 'x', custom: { tier: '=gold' } });
    const [row] = await csvOf(crm, 'companies/export');
    expect(row?.get('custom.tier')).toBe("'=gold");
    await crm.send('delete', 'fields/companies/tier');
    const [after] = await csvOf(crm, 'companies/export');
    expect([...(after?.keys() ?? [])]).not.toContain('custom.tier');
  });
});
