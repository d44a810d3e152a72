import { randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { ChangeLog } from '../../src/changes/change-log.service';
import { ChangeSequencer } from '../../src/changes/change-sequencer.service';
import { CHUNK_SIZE } from '../../src/changes/changes.repository';
import { startApp, type TestApp } from '../support/app';
import { sequenceSince } from '../support/changes';
import { TEST_KEYSPACE } from '../support/config';
import { expectError } from '../support/envelope';
import { Crm, inParallel } from '../support/records';
import { connectWriters } from '../support/records/world';

/** Positions of a chunk that are left for changes, and changes that there are. */
const ROOM = 15;
const CHANGES = 40;

interface ChangesBody {
  data: { id: string; kind: string }[];
  meta: { next_cursor: string };
}

describe('The log of changes, where one chunk of it ends', () => {
  let server: TestApp;
  let client: Client;
  let crm: Crm;
  let first: string;
  let begin: string;
  let expected: string[];

  async function changes(query: Record<string, string | number>): Promise<ChangesBody> {
    return (await crm.page('changes', query)) as unknown as ChangesBody;
  }

  /** All ids from a cursor on, in pages of a size. */
  async function follow(cursor: string, query: Record<string, string | number>): Promise<string[]> {
    const ids: string[] = [];
    for (let page = await changes({ ...query, cursor }); page.data.length > 0;) {
      ids.push(...page.data.map(({ id }) => id));
      page = await changes({ ...query, cursor: page.meta.next_cursor });
    }
    return ids;
  }

  /** Of records that are not there: readers pass over them. */
  async function fillUntil(position: number): Promise<void> {
    const log = server.app.get(ChangeLog);
    const { organizationId } = crm.account;
    for (let head = await log.head(organizationId, true); head < position;) {
      const pointers = Array.from({ length: Math.min(100, position - head) }, () => {
        return { object: 'contacts', id: randomUUID(), version: 1, at: new Date() };
      });
      head = (await log.append(organizationId, head, pointers)) ?? 0;
    }
  }

  beforeAll(async () => {
    server = await startApp();
    const [one] = await connectWriters(1);
    if (!one) throw new Error('not connected');
    client = one;
    const startedAt = new Date();
    crm = new Crm(server.url, await server.api.newAdmin());
    const sequence = () =>
      sequenceSince(server.app.get(ChangeSequencer), crm.account.organizationId, startedAt);
    await sequence();
    first = (await changes({ limit: 1 })).meta.next_cursor;
    await fillUntil(CHUNK_SIZE - ROOM);
    begin = (await changes({ from: 'now' })).meta.next_cursor;
    const created = await inParallel(CHANGES, 4, (index) =>
      crm.create('contacts', { last_name: `Jones ${String(index)}` }),
    );
    await sequence();
    expected = created.map(({ id }) => id).sort();
  }, 120_000);
  afterAll(async () => {
    await client.shutdown();
    await server.close();
  });

  it('is one for whoever follows it, whatever the size of a page', async () => {
    const all = await follow(begin, { limit: 200 });
    expect([...all].sort()).toEqual(expected);
    for (const limit of [1, ROOM - 1, ROOM, ROOM + 1, CHANGES]) {
      expect([limit, await follow(begin, { limit })]).toEqual([limit, all]);
    }
    const page = await changes({ cursor: begin, limit: CHANGES });
    expect(page.data).toHaveLength(CHANGES);
    expect(await follow(begin, { limit: ROOM, objects: 'contacts' })).toEqual(all);
    expect(await follow(begin, { limit: ROOM, objects: 'deals' })).toEqual([]);
  }, 60_000);

  it('is kept for 30 days: what is older is looked for in vain, and the rest is found', async () => {
    const all = await follow(begin, { limit: 200 });
    const { organizationId } = crm.account;
    const table = `${TEST_KEYSPACE}.changes`;
    const key = 'organization_id = ? AND chunk = ?';
    const run = (cql: string, ...values: unknown[]) =>
      client.execute(cql, values, { prepare: true });
    // As if the first chunk and a part of the second one had expired.
    const then = new Date(Date.now() - 31 * 86_400_000);
    await run(`UPDATE ${table} SET appended_at = ? WHERE ${key}`, then, organizationId, 0);
    await run(`DELETE FROM ${table} WHERE ${key} AND position >= ?`, organizationId, 0, 0);
    const end = CHUNK_SIZE + 7;
    await run(`DELETE FROM ${table} WHERE ${key} AND position < ?`, organizationId, 1, end);
    for (const cursor of [first, begin]) {
      const response = await crm.get(`changes?cursor=${cursor}`);
      expect(response.status).toBe(410);
      expectError(response.body, 'CURSOR_EXPIRED');
    }
    const oldest = await changes({ limit: 3 });
    const kept = all.slice(ROOM + 7);
    expect(oldest.data.map(({ id }) => id)).toEqual(kept.slice(0, 3));
    expect(await follow(oldest.meta.next_cursor, { limit: 10 })).toEqual(kept.slice(3));
  }, 60_000);
});
