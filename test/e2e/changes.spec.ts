import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { ChangeSequencer } from '../../src/changes/change-sequencer.service';
import { WAITERS_OF_ORGANIZATION } from '../../src/changes/change-waiters.service';
import { startApp, type TestApp } from '../support/app';
import { type FollowedChange, rebuild, sequenceSince } from '../support/changes';
import { TEST_KEYSPACE } from '../support/config';
import { expectError } from '../support/envelope';
import { ownKeyspace } from '../support/own-keyspace';
import { Crm, inParallel } from '../support/records';
import { connectWriters } from '../support/records/world';

interface ChangesBody {
  data: (FollowedChange & { at: string; changed_by: string; api_key_id: string | null })[];
  meta: { limit: number; next_cursor: string };
}

describe('The change feed', () => {
  let server: TestApp;
  let clients: Client[];
  let crm: Crm;
  let startedAt: Date;
  beforeAll(async () => {
    server = await startApp({ REQUEST_TIMEOUT: '2' });
    clients = await connectWriters(1);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
    await server.close();
  });
  beforeEach(async () => {
    startedAt = new Date();
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  const sequence = () =>
    sequenceSince(server.app.get(ChangeSequencer), crm.account.organizationId, startedAt);

  async function changes(query: Record<string, string | number> = {}): Promise<ChangesBody> {
    return (await crm.page('changes', query)) as unknown as ChangesBody;
  }

  /** Everything from a cursor on, page by page until one is empty. */
  async function follow(
    query: Record<string, string | number> = {},
  ): Promise<{ found: ChangesBody['data']; cursor: string }> {
    const found: ChangesBody['data'] = [];
    for (let cursor = ''; ;) {
      const page = await changes({ ...query, ...(cursor ? { cursor } : {}) });
      found.push(...page.data);
      cursor = page.meta.next_cursor;
      if (page.data.length === 0) return { found, cursor };
    }
  }

  const namesOf = (body: Pick<ChangesBody, 'data'>) =>
    body.data.map(({ object, kind, version }) => `${object} ${kind} ${String(version)}`);

  it('tells who changed what, from which value to which', async () => {
    const contact = await crm.create('contacts', { last_name: 'Jones', title: 'CTO' });
    await crm.patch('contacts', contact.id, { title: 'CEO' });
    await crm.remove('contacts', contact.id);
    await crm.restore('contacts', contact.id);
    await sequence();
    const body = await changes();
    expect(namesOf(body)).toEqual([
      'contacts created 1',
      'contacts updated 2',
      'contacts deleted 3',
      'contacts restored 4',
    ]);
    const { at, ...updated } = body.data[1] ?? { at: '' };
    expect(at).toMatch(/^\d{4}-.*Z$/);
    expect(updated).toEqual({
      object: 'contacts',
      id: contact.id,
      version: 2,
      kind: 'updated',
      changed_by: crm.account.id,
      api_key_id: null,
      changes: { title: { from: 'CTO', to: 'CEO' } },
    });
    expect(body.meta).toEqual({ limit: 50, next_cursor: expect.any(String) as string });
  });

  it('goes on from every cursor, also from that of an empty page, with any filter', async () => {
    const empty = await changes();
    expect(empty.data).toEqual([]);
    const company = await crm.create('companies', { name: 'Acme' });
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    await crm.patch('companies', company.id, { name: 'Acme Inc' });
    await sequence();
    const now = await changes({ from: 'now' });
    expect(now.data).toEqual([]);
    await crm.patch('contacts', contact.id, { title: 'CEO' });
    await sequence();

    const { next_cursor: cursor } = empty.meta;
    const first = await changes({ cursor, limit: 1 });
    expect(first.data).toHaveLength(1);
    const rest = await follow({ limit: 2 });
    expect(rest.found).toHaveLength(4);
    const contacts = await changes({ cursor, objects: 'contacts', limit: 1 });
    expect(namesOf(contacts)).toEqual(['contacts created 1']);
    const next = await changes({ cursor: contacts.meta.next_cursor, objects: 'contacts,deals' });
    expect(namesOf(next)).toEqual(['contacts updated 2']);
    expect(namesOf(await changes({ cursor: now.meta.next_cursor }))).toEqual([
      'contacts updated 2',
    ]);
    expect((await changes({ objects: 'deals' })).data).toEqual([]);
  });

  it('refuses a cursor of another organization, and what is no query', async () => {
    const { meta } = await changes();
    const stranger = new Crm(server.url, await server.api.newAdmin());
    const refused = await stranger.get(`changes?cursor=${meta.next_cursor}`);
    expect(refused.status).toBe(400);
    expectError(refused.body, 'INVALID_CURSOR');
    for (const query of ['wait=31', 'limit=201', 'objects=merges', 'from=then', 'since=1']) {
      const response = await crm.get(`changes?${query}`);
      expect([query, response.status]).toEqual([query, 400]);
      expectError(response.body, 'VALIDATION_FAILED');
    }
  });

  it('answers 410 where what follows the cursor is no longer kept', async () => {
    const { meta } = await changes();
    await crm.create('companies', { name: 'Acme' });
    await crm.create('companies', { name: 'Bcme' });
    await sequence();
    await clients[0]?.execute(
      `DELETE FROM ${TEST_KEYSPACE}.changes WHERE organization_id = ? AND chunk = 0 AND position = 0`,
      [crm.account.organizationId],
      { prepare: true },
    );
    const expired = await crm.get(`changes?cursor=${meta.next_cursor}`);
    expect(expired.status).toBe(410);
    expectError(expired.body, 'CURSOR_EXPIRED');
    expect((await changes()).data).toHaveLength(1);
  });

  it('waits for a change, longer than a request may work', async () => {
    const { meta } = await changes();
    const cursor = meta.next_cursor;
    const asked = Date.now();
    expect((await changes({ cursor, wait: 3 })).data).toEqual([]);
    expect(Date.now() - asked).toBeGreaterThanOrEqual(2900);

    const waiting = changes({ cursor, wait: 20 });
    await sleep(300);
    await crm.create('companies', { name: 'Acme' });
    const writtenAt = Date.now();
    await sequence();
    expect(namesOf(await waiting)).toEqual(['companies created 1']);
    expect(Date.now() - writtenAt).toBeLessThan(3000);
  });

  it('lets only so many of an organization wait at once', async () => {
    const { meta } = await changes();
    const query = `changes?wait=4&cursor=${meta.next_cursor}`;
    const waiting = Array.from({ length: WAITERS_OF_ORGANIZATION }, () => crm.get(query));
    const all = Promise.all(waiting);
    await sleep(1000);
    const one = await crm.get(query);
    expect(one.status).toBe(429);
    expectError(one.body, 'RATE_LIMITED');
    expect(one.headers['retry-after']).toBe('1');
    // Nobody is kept from asking without waiting.
    expect((await changes({ cursor: meta.next_cursor })).data).toEqual([]);
    expect((await all).map(({ status }) => status)).toEqual(waiting.map(() => 200));
  });

  it('leads to exactly the records there are, after random writes of many at once', async () => {
    const random = (count: number) => Math.floor(Math.random() * count);
    const contacts = await inParallel(8, 4, (index) =>
      crm.create('contacts', { last_name: `Jones ${String(index)}`, tags: ['new'] }),
    );
    const companies = await inParallel(3, 3, (index) =>
      crm.create('companies', { name: `Acme ${String(index)}` }),
    );
    await crm.create('deals', { name: '100 anvils' });
    const any = (records: { id: string }[]) => records[random(records.length)]?.id ?? '';
    let isWriting = true;
    const sequencers = [0, 1].map(async () => {
      while (isWriting) await sequence().catch(() => undefined);
    });
    await inParallel(120, 6, async (index) => {
      const path = `contacts/${any(contacts)}`;
      const company_id = Math.random() < 0.5 ? any(companies) : null;
      switch (random(6)) {
        case 0:
          return crm.send('delete', path);
        case 1:
          return crm.send('post', `${path}/restore`);
        case 2:
          return crm.send('post', `${path}/merge`, { loser_ids: [any(contacts)] });
        case 3:
          return crm.send('patch', `companies/${any(companies)}`, { name: `C${String(index)}` });
        default:
          return crm.send('patch', path, { title: `T${String(index)}`, company_id });
      }
    });
    isWriting = false;
    await Promise.all(sequencers);
    await sequence();

    const { found } = await follow({ limit: 17 });
    expect(found.length).toBeGreaterThan(50);
    const { records, faults } = rebuild(found);
    expect(faults).toEqual([]);
    for (const object of ['contacts', 'companies', 'deals', 'pipelines']) {
      const listed = await crm.walk(object);
      const live = [...records.values()].filter(
        (one) => one.object === object && one.state === 'live',
      );
      expect(live.map(({ id }) => id).sort()).toEqual(listed.map(({ id }) => id).sort());
      for (const { id, version, data } of live) {
        const record = listed.find((one) => one.id === id) ?? {};
        const shown = Object.entries(data).filter(([field]) => field in record);
        expect(shown.length).toBeGreaterThan(1);
        expect(record).toMatchObject({ version, ...Object.fromEntries(shown) });
      }
    }
  });
});

describe('The sequencers of a server', () => {
  // A keyspace of its own: where other tests kill servers, their leases have to run out first.
  const keyspace = ownKeyspace();
  const environment = { CASSANDRA_KEYSPACE: keyspace, WORKERS: 'on' };

  it('tell of a change within seconds, and end with those who wait', async () => {
    const server = await startApp(environment);
    const crm = new Crm(server.url, await server.api.newAdmin());
    const cursor = (await crm.page('changes')).meta.next_cursor ?? '';
    const company = await crm.create('companies', { name: 'Acme' });
    for (let found: { id: string }[] = [], first = cursor; found.length === 0;) {
      const page = await crm.page('changes', { cursor: first, wait: 5 });
      found = page.data;
      first = page.meta.next_cursor ?? '';
      if (found.length > 0) expect(found).toMatchObject([{ id: company.id, kind: 'created' }]);
    }
    const end = (await crm.page('changes', { from: 'now' })).meta.next_cursor ?? '';
    const waiting = crm.page('changes', { cursor: end, wait: 25 });
    await sleep(500);
    const closedAt = Date.now();
    await server.close();
    expect((await waiting).data).toEqual([]);
    expect(Date.now() - closedAt).toBeLessThan(15_000);
  }, 60_000);
});
