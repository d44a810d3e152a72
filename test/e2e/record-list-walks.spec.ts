import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { startApp, type TestApp } from '../support/app';
import { Crm, idsOf, inParallel, type RecordBody } from '../support/records';

/** Of an organization that has not grown. */
const BUCKETS = 2;
/** Records that are read by one statement. */
const IDS_AT_ONCE = 32;
/** What is remembered for a second, and so asked for by some of the pages: not what a page costs. */
const ONCE_A_SECOND = /FROM (users|sessions|organizations|layouts|fields)\b/;

describe('Lists while the world goes on', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  it('give every record that was there all the time once, whatever is written meanwhile', async () => {
    const items = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, at) => ({
        data: { last_name: `${prefix} ${String(at)}`, tags: ['walked'] },
      }));
    const make = async (prefix: string, count: number) =>
      (await crm.batch('contacts', 'create', items(prefix, count))).map(
        ({ data }) => data as RecordBody,
      );
    const steady = await make('steady', 40);
    const passing = await make('passing', 40);
    const stop = new AbortController();
    const { signal } = stop;
    let written = 0;
    const writer = async (number: number) => {
      for (let at = 0; !signal.aborted; at++, written++) {
        const id = (from: RecordBody[]) => from[(at * 5 + number) % from.length]?.id ?? '';
        if (number === 0) await crm.create('contacts', { last_name: 'new', tags: ['walked'] });
        else if (number === 1) await crm.send('delete', `contacts/${id(passing)}`);
        else if (number === 2) await crm.send('post', `contacts/${id(passing)}/restore`);
        else await crm.patch('contacts', id(steady), { title: `${String(at)} ${String(number)}` });
      }
    };
    const writers = Array.from({ length: 5 }, (_, number) => writer(number));
    try {
      const expected = idsOf(steady).sort();
      for (const query of ['', 'sort=created_at', 'sort=name', 'tag=walked']) {
        const parameters = Object.fromEntries(new URLSearchParams(query));
        const found = idsOf(await crm.walk('contacts', { ...parameters, limit: 3 }));
        expect(new Set(found).size).toBe(found.length);
        expect(found.filter((id) => expected.includes(id)).sort()).toEqual(expected);
      }
    } finally {
      stop.abort();
      await Promise.all(writers);
    }
    expect(written).toBeGreaterThan(50);
  });

  it('show what was just written, and no longer what it was', async () => {
    const company = await crm.create('companies', { name: 'Acme' });
    const { id } = await crm.create('contacts', { last_name: 'Aaron', tags: ['a'] });
    const found = async (query: Record<string, string>) =>
      idsOf((await crm.page('contacts', query)).data);
    for (let round = 0; round < 5; round++) {
      const last_name = round % 2 ? 'Aaron' : 'Zulu';
      const before = round % 2 ? 'zulu' : 'aaron';
      await crm.patch('contacts', id, {
        last_name,
        tags: [last_name],
        company_id: round % 2 ? null : company.id,
        emails: [{ value: `${last_name}@acme.example` }],
      });
      expect(await found({ q: last_name })).toEqual([id]);
      expect(await found({ q: before })).toEqual([]);
      expect(await found({ tag: last_name })).toEqual([id]);
      expect(await found({ tag: before === 'zulu' ? 'Zulu' : 'Aaron' })).toEqual([]);
      expect(await found({ company_id: company.id })).toEqual(round % 2 ? [] : [id]);
      expect(await found({ email: `${last_name}@acme.example` })).toEqual([id]);
      expect(await found({ email: `${before}@acme.example` })).toEqual([]);
      expect(await found({ sort: 'name' })).toEqual([id]);
    }
  });

  it('keep the deleted apart: latest first, and gone from there once restored', async () => {
    const made: RecordBody[] = [];
    for (let at = 0; at < 8; at++) {
      made.push(await crm.create('contacts', { last_name: `D${String(at)}`, tags: ['t'] }));
    }
    for (const { id } of made.slice(2)) await crm.remove('contacts', id);
    expect(idsOf((await crm.page('contacts')).data)).toEqual(idsOf(made.slice(0, 2)).reverse());
    const deleted = await crm.walk('contacts', { deleted: 'true', limit: 2 });
    expect(idsOf(deleted)).toEqual(idsOf(made.slice(2)).reverse());
    expect(deleted[0]?.deleted_at).toEqual(expect.any(String));
    const [, , , back] = made;
    if (!back) throw new Error('none');
    await crm.restore('contacts', back.id);
    const rest = idsOf(await crm.walk('contacts', { deleted: 'true', tag: 't', limit: 3 }));
    expect(rest).toEqual(idsOf([...made.slice(2, 3), ...made.slice(4)]).reverse());
    expect(idsOf((await crm.page('contacts', { q: 'd3' })).data)).toEqual([back.id]);
    expect((await crm.page('contacts', { q: 'd4' })).data).toEqual([]);
  });

  it('cost the same number of statements on the first page and on the last', async () => {
    await inParallel(3, 1, async (round) => {
      const items = Array.from({ length: 150 }, (_, at) => ({
        data: { last_name: `N${String(at).padStart(3, '0')}`, tags: [`r${String(round)}`] },
      }));
      await crm.batch('contacts', 'create', items);
    });
    const { client } = server.app.get<{ client: Client }>(CassandraService);
    const execute = jest.spyOn(client, 'execute');
    const batch = jest.spyOn(client, 'batch');
    const cost = async (path: string) => {
      execute.mockClear();
      batch.mockClear();
      const response = await crm.get(path);
      const { data, meta } = response.body as { data: unknown[]; meta: { next_cursor: string } };
      const own = execute.mock.calls.filter(([cql]) => !ONCE_A_SECOND.test(cql));
      return { calls: own.length + batch.mock.calls.length, data, meta };
    };
    try {
      for (const [query, limit] of [
        ['', 10],
        ['&sort=name', 120],
        ['&tag=r1&sort=-name', 25],
        ['&q=n1', 20],
      ] as const) {
        await crm.get(`contacts?limit=${String(limit)}${query}`);
        const pages: number[] = [];
        for (let cursor = ''; ;) {
          const { calls, data, meta } = await cost(
            `contacts?limit=${String(limit)}${query}${cursor}`,
          );
          if (data.length === limit) pages.push(calls);
          if (!meta.next_cursor) break;
          cursor = `&cursor=${meta.next_cursor}`;
        }
        expect(pages.length).toBeGreaterThan(1);
        const most = BUCKETS + Math.ceil((limit + 1) / IDS_AT_ONCE);
        for (const calls of pages) expect(calls).toBeLessThanOrEqual(most);
        expect(Math.abs((pages[0] ?? 0) - (pages.at(-1) ?? 0))).toBeLessThanOrEqual(2);
      }
    } finally {
      execute.mockRestore();
      batch.mockRestore();
    }
  });
});
