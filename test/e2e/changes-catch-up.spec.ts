import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { connect } from '../../src/cassandra/connect';
import {
  ChangeOutboxRepository,
  type OutboxRow,
} from '../../src/records/store/change-outbox.repository';
import { OUTBOX_WINDOW_MS, outboxShardOf } from '../../src/records/writing/outbox-windows';
import { startApp, type TestApp } from '../support/app';
import { testConfig } from '../support/config';
import { ownKeyspace } from '../support/own-keyspace';
import { Crm, inParallel } from '../support/records';

/** A keyspace of its own: nobody else must sequence what this test leaves. */
const keyspace = ownKeyspace();
const STOPPED_MS = 15 * 60_000;
const CHANGES = 60;

describe('The sequencers, after all of them have been stopped for long', () => {
  const environment = { CASSANDRA_KEYSPACE: keyspace };
  const { cassandra } = testConfig(environment);
  let client: Client;
  let server: TestApp | undefined;
  let crm: Crm;
  let rows: OutboxRow[];

  const run = async (cql: string, ...values: unknown[]) =>
    (await client.execute(cql, values, { prepare: true })).rows as unknown as Record<
      string,
      unknown
    >[];

  /** Takes everything out of the outbox. */
  async function takeNotes(): Promise<OutboxRow[]> {
    const found = await run(
      'SELECT shard, window, organization_id, object, record_id, version, at FROM change_outbox',
    );
    for (const { shard, window } of found) {
      await run('DELETE FROM change_outbox WHERE shard = ? AND window = ?', shard, window);
    }
    return found.map((row) => ({
      organizationId: String(row.organization_id),
      object: String(row.object),
      id: String(row.record_id),
      version: row.version as number,
      at: row.at as Date,
    }));
  }

  async function followed(): Promise<Set<string>> {
    const ids = new Set<string>();
    for (let cursor = ''; ;) {
      const page = await crm.page('changes', { limit: 100, ...(cursor ? { cursor } : {}) });
      if (page.data.length === 0) return ids;
      for (const { id } of page.data) ids.add(id);
      cursor = page.meta.next_cursor ?? '';
    }
  }

  async function until(isTrue: () => Promise<boolean>, seconds: number): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (!(await isTrue())) {
      if (Date.now() > end) throw new Error('it has not come to pass');
      await sleep(500);
    }
  }

  const isFollowed = (some: readonly OutboxRow[]) => async () => {
    const ids = await followed();
    return some.every(({ id }) => ids.has(id));
  };

  beforeAll(async () => {
    client = await connect(cassandra, keyspace, () => undefined);
    server = await startApp({ ...environment, WORKERS: 'off' });
    crm = new Crm(server.url, await server.api.newAdmin());
    await inParallel(CHANGES, 4, (index) =>
      crm.create('contacts', { last_name: `Jones ${String(index)}` }),
    );
    rows = await takeNotes();
    await server.close();
  }, 180_000);
  afterAll(async () => {
    await server?.close();
    await client.shutdown();
  }, 60_000);

  it('miss nothing of the time between, nor what is noted late, and leave nothing behind', async () => {
    expect(rows.length).toBeGreaterThanOrEqual(CHANGES);
    const [lateRow, latestRow, ...others] = rows;
    if (!lateRow || !latestRow) throw new Error('nothing was noted');
    const shard = outboxShardOf(crm.account.organizationId);
    const stoppedAt = new Date(Date.now() - STOPPED_MS);
    // They had been at work until then: not where they begin at first.
    await run('INSERT INTO sequencers (shard, window) VALUES (?, ?)', shard, stoppedAt);
    server = await startApp({ ...environment, WORKERS: 'off' });
    const outbox = server.app.get(ChangeOutboxRepository);
    for (const [index, row] of others.entries()) {
      const share = index / (others.length - 1);
      await outbox.add(row, stoppedAt.getTime() + 1000 + share * (STOPPED_MS - 2000));
    }
    await server.close();

    server = await startApp({ ...environment, WORKERS: 'on' });
    crm = new Crm(server.url, crm.account);
    await until(isFollowed(others), 60);
    // Its window has been looked at, and found empty: a clock that is far behind.
    await server.app.get(ChangeOutboxRepository).add(lateRow, Date.now() - 40_000);
    // A note that took long: not at the last look only.
    await server.app.get(ChangeOutboxRepository).add(latestRow, Date.now() - 5000);
    await until(isFollowed([latestRow]), 10);
    await until(isFollowed([lateRow]), 40);
    await until(async () => {
      const [sequencer] = await run('SELECT window FROM sequencers WHERE shard = ?', shard);
      const left = await run('SELECT window FROM change_outbox');
      const until = (sequencer?.window as Date).getTime();
      return left.every(({ window }) => (window as Date).getTime() >= until - OUTBOX_WINDOW_MS);
    }, 10);
  }, 180_000);
});
