import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { Maintenance } from '../../src/records/upkeep/maintenance.service';
import { newOrganizationId } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { runProgram } from '../support/process';

const CONTACTS = 2000;
const LIMIT = 50;
/** Of an organization that has not grown. */
const BUCKETS = 2;

interface Page {
  data: { id: string }[];
  meta: { next_cursor: string | null };
}

jest.setTimeout(300_000);

/** The shape of what bench/compare-lists.mts measures, without its times. */
describe('An organization with some thousand records', () => {
  const organization = newOrganizationId();
  let server: TestApp;
  let token: string;

  beforeAll(async () => {
    server = await startApp();
    const args = ['--contacts', String(CONTACTS), '--organization', organization];
    const seed = runProgram(['tools/seed.mts', ...args]);
    expect(await seed.ended).toBe(0);
    const read = (name: string) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(seed.output())?.[1];
    const [email, password] = [read('email'), read('password')];
    const login = await server.api.login({ organization_id: organization, email, password });
    expect(login.status).toBe(200);
    token = (login.body as { data: { access_token: string } }).data.access_token;
  });
  afterAll(() => server.close());

  async function page(query: string, cursor: string | null): Promise<Page> {
    const after = cursor === null ? '' : `&cursor=${cursor}`;
    const response = await server.api.get(`/api/v1/contacts?${query}${after}`, token);
    expect(response.status).toBe(200);
    return response.body as Page;
  }

  it.each([
    ['created_at', '-created_at'],
    ['name', '-name'],
  ])('lists by %s to the end, where a page costs what the first one did', async (sort, reverse) => {
    const cursors: (string | null)[] = [null];
    const seen = new Set<string>();
    let last: Page['data'] = [];
    for (let cursor = cursors.at(-1); cursor !== undefined;) {
      const { data, meta } = await page(`sort=${sort}&limit=${String(LIMIT)}`, cursor);
      for (const { id } of data) seen.add(id);
      last = data;
      if (meta.next_cursor !== null) cursors.push(meta.next_cursor);
      cursor = meta.next_cursor ?? undefined;
    }
    expect(seen.size).toBe(CONTACTS);
    expect(cursors).toHaveLength(CONTACTS / LIMIT);
    const back = (await page(`sort=${reverse}&limit=${String(LIMIT)}`, null)).data;
    expect(last).toEqual(back.toReversed());

    const { client } = server.app.get<{ client: Client }>(CassandraService);
    const execute = jest.spyOn(client, 'execute');
    const cost = async (cursor: string | null) => {
      // What is looked up once a second (layout, fields, the caller) is fresh for the second one.
      await page(`sort=${sort}&limit=${String(LIMIT)}`, cursor);
      execute.mockClear();
      await page(`sort=${sort}&limit=${String(LIMIT)}`, cursor);
      const rows = execute.mock.calls.map(([cql]) => /FROM (\w+)/.exec(cql)?.[1]);
      return rows.filter((table) => table === 'list_rows' || table === 'records').sort();
    };
    try {
      const first = await cost(null);
      expect(first).toEqual(['list_rows']);
      for (const at of [0.25, 0.5, 0.75, 1]) {
        const cursor = cursors[Math.ceil(at * cursors.length) - 1] ?? null;
        expect(await cost(cursor)).toEqual(first);
      }
    } finally {
      execute.mockRestore();
    }
  });

  it('spreads its rows evenly: no partition has much more than its share', async () => {
    const report = await server.app.get(Maintenance).verify(organization);
    expect(report.faults).toEqual([]);
    expect(report.records).toBeGreaterThan(CONTACTS);
    // A contact can stand twice under the beginning of a word, e.g. of a name and an address.
    expect(report.largest).toBeGreaterThan(CONTACTS / BUCKETS / 2);
    expect(report.largest).toBeLessThan(1.5 * (CONTACTS / BUCKETS));
  });
});
