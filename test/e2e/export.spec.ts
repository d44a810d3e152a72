import type { Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { parseCsv } from '../support/csv';
import { Crm, faultsOf, inParallel, type RecordBody } from '../support/records';

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
