import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { AppError } from '../../src/common/errors';
import type { Principal } from '../../src/common/principal';
import { RecordPurger } from '../../src/records/erasing/record-purger.service';
import type { DerivedRow } from '../../src/records/store/derived-rows';
import {
  type DerivedFrom,
  DerivedRowsRepository,
} from '../../src/records/store/derived-rows.repository';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { type Fault, FaultyCassandra, Gate } from '../support/records/faulty-cassandra';
import { buildStore, type RecordStore } from '../support/records/store';
import { sweepOrganization } from '../support/records/sweep';
import { listAll } from '../support/records/visible';
import { connectWriters } from '../support/records/world';

/** As if its rows were of a backup that is older than the one of the records. */
class OlderRows extends DerivedRowsRepository {
  override write(
    from: DerivedFrom,
    layouts: readonly number[],
    rows: readonly DerivedRow[],
  ): Promise<void> {
    return super.write(from, layouts, rows, []);
  }

  override withdrawCopies(): Promise<void> {
    return Promise.resolve();
  }
}

const RETENTION_SECONDS = 1;
const EMAIL = 'purged@example.com';

describe('A record that was deleted for long enough', () => {
  let clients: Client[];
  let store: RecordStore;
  let caller: Principal;
  let since: Date;
  const config = testConfig({
    CLAIM_LEASE: '1',
    RECORD_RETENTION: `${String(RETENTION_SECONDS)}s`,
  });
  beforeAll(async () => {
    clients = await connectWriters(1);
    store = buildStore(new CassandraService(clientOf(), TEST_KEYSPACE), config);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
  });
  beforeEach(() => {
    since = new Date();
    caller = { userId: randomUUID(), organizationId: newOrganizationId(), role: 'admin' };
  });

  function clientOf(): Client {
    const [client] = clients;
    if (!client) throw new Error('not connected');
    return client;
  }

  /** What the sweeper does when the windows of all intents have come. */
  async function sweep(...faults: Fault[]): Promise<void> {
    const cassandra = new FaultyCassandra(clientOf(), TEST_KEYSPACE, faults);
    const place = { organizationId: caller.organizationId, since };
    expect(await sweepOrganization(clientOf(), cassandra, config, place)).toEqual([]);
    await cassandra.idle();
  }

  async function newDeleted(): Promise<string> {
    const { id } = await store.contacts.create(caller, {
      last_name: 'Gone',
      emails: [{ value: EMAIL }],
      tags: ['gone'],
    });
    await store.contacts.patch(caller, id, { title: 'CTO' });
    await store.contacts.remove(caller, id);
    return id;
  }

  async function code(work: Promise<unknown>): Promise<string> {
    try {
      await work;
      return 'done';
    } catch (error) {
      return error instanceof AppError ? error.code : String(error);
    }
  }

  async function expectGone(id: string): Promise<void> {
    const key = { organizationId: caller.organizationId, object: 'contacts', id };
    const record = await store.records.find(key, true);
    expect(record).toMatchObject({
      state: 'purged',
      data: { owner_id: null, tags: [], custom: {}, external_ids: {} },
    });
    const events = await store.records.listEvents(key, new Date(8.64e15), 100);
    expect(events.map(({ kind, changes }) => [kind, changes])).toEqual([['purged', {}]]);
    expect(await code(store.contacts.get(caller, id))).toBe('NOT_FOUND');
    expect(await code(store.contacts.restore(caller, id))).toBe('NOT_FOUND');
    expect(await code(store.contacts.history(caller, id, { limit: 10 }))).toBe('NOT_FOUND');
  }

  async function expectPurged(id: string): Promise<void> {
    await expectGone(id);
    expect(await listAll(store, caller, 'contacts', { deleted: 'true' })).toEqual([]);
    expect((await store.maintenance.verify(caller.organizationId)).faults).toEqual([]);
    // Its values are free.
    await store.contacts.create(caller, { last_name: 'New', emails: [{ value: EMAIL }] });
  }

  it('is not purged before', async () => {
    const id = await newDeleted();
    await sweep();
    expect((await store.contacts.restore(caller, id)).version).toBe(4);
  });

  it('is purged: its data and its history are gone, and its values are free', async () => {
    const id = await newDeleted();
    await sleep(RETENTION_SECONDS * 1000 + 10);
    await sweep();
    await expectPurged(id);
  });

  it.each([
    ['records.commit', 'before'],
    ['records.commit', 'after'],
    ['list_rows.remove', 'before'],
    ['list_rows.remove', 'after'],
    ['records.removeEvent', 'before'],
    ['records.removeEvent', 'after'],
  ] as const)(
    'is purged by a second sweep, when the first one dies at %s, %s',
    async (at, when) => {
      const id = await newDeleted();
      await sleep(RETENTION_SECONDS * 1000 + 10);
      await sweep({ at, when });
      await sweep();
      await expectPurged(id);
    },
  );

  it.each([undefined, 'records.commit', 'records.removeEvent'])(
    'takes along what was merged into it, also when the sweep dies at %s',
    async (at) => {
      const loser = await store.contacts.create(caller, { last_name: 'Loser', title: 'CFO' });
      const { id } = await store.contacts.create(caller, {
        last_name: 'Gone',
        emails: [{ value: EMAIL }],
      });
      await store.contacts.merge(caller, id, [loser.id]);
      await store.contacts.remove(caller, id);
      await sleep(RETENTION_SECONDS * 1000 + 10);
      if (at !== undefined) await sweep({ at, when: 'after' });
      await sweep();
      for (const one of [id, loser.id]) await expectGone(one);
      await expectPurged(id);
    },
  );

  it('stays whole when it is restored just before the purge commits', async () => {
    const id = await newDeleted();
    await sleep(RETENTION_SECONDS * 1000 + 10);
    const gate = new Gate();
    const purge = sweep({ at: 'records.commit', when: 'before', wait: gate.wait });
    await gate.reached;
    await store.contacts.restore(caller, id);
    gate.release();
    await purge;
    const record = await store.contacts.get(caller, id);
    expect(record.data).toMatchObject({ title: 'CTO', emails: [{ value: EMAIL }] });
    expect(await code(store.contacts.history(caller, id, { limit: 10 }))).toBe('done');
    expect((await store.maintenance.verify(caller.organizationId)).faults).toEqual([]);
  });

  it('is in no list any more after a repair, though a backup has its rows and no history of it', async () => {
    const cassandra = new CassandraService(clientOf(), TEST_KEYSPACE);
    const restored = buildStore(cassandra, config, { derived: OlderRows });
    const { id } = await restored.contacts.create(caller, { last_name: 'Gone' });
    await restored.contacts.remove(caller, id);
    const key = { organizationId: caller.organizationId, object: 'contacts', id };
    const deleted = await store.records.find(key);
    if (!deleted) throw new Error('no record');
    const purger = new RecordPurger(restored.records, restored.writer);
    expect(await purger.purge(deleted)).toBe(true);
    await purger.forgetHistory(key);
    const before = await store.maintenance.verify(caller.organizationId);
    expect(before.faults.map(({ fault }) => fault)).toContain('stray');

    await store.maintenance.repair(caller.organizationId, () => undefined);
    expect(await listAll(store, caller, 'contacts', { sort: 'name' })).toEqual([]);
    expect((await store.maintenance.verify(caller.organizationId)).faults).toEqual([]);
  });
});
