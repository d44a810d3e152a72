import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import type { Principal } from '../../src/common/principal';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { Crash, FaultyCassandra, Gate } from '../support/records/faulty-cassandra';
import { buildStore, type RecordStore } from '../support/records/store';
import { findOutdated, listAll } from '../support/records/visible';
import { connectWriters } from '../support/records/world';

const WRITERS = 4;

/** What is done while it is asked to stop: how often, and the first failure. */
async function until(
  stopped: () => boolean | Promise<boolean>,
  work: () => Promise<void>,
): Promise<number> {
  for (let count = 0; ; count++) {
    if (await stopped()) return count;
    await work();
  }
}

describe('Growing under load', () => {
  let clients: Client[];
  let stores: RecordStore[];
  let caller: Principal;
  beforeAll(async () => {
    clients = await connectWriters(WRITERS + 2);
    // As processes: each has its own connection, and its own caches.
    stores = clients.map((client) =>
      buildStore(new CassandraService(client, TEST_KEYSPACE), testConfig()),
    );
    caller = { userId: randomUUID(), organizationId: newOrganizationId(), role: 'admin' };
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
  });

  it('loses no record from any list, at any moment', async () => {
    const [reader, grower, ...writers] = stores;
    const [client] = clients;
    if (!reader || !grower || !client) throw new Error('no store');
    let isOver = false;
    /** Acknowledged: live, or in the midst of being deleted and brought back. */
    const known = new Set<string>();
    const moving = new Set<string>();
    const problems: string[] = [];

    const write = async (store: RecordStore) => {
      const { id } = await store.contacts.create(caller, {
        last_name: `Grow ${randomUUID().slice(0, 8)}`,
        tags: ['growing'],
      });
      known.add(id);
      await store.contacts.patch(caller, id, { last_name: `Grown ${randomUUID().slice(0, 8)}` });
      if (Math.random() > 0.3) return;
      moving.add(id);
      await store.contacts.remove(caller, id);
      await store.contacts.restore(caller, id);
      moving.delete(id);
    };
    const writeSteadily = async (store: RecordStore) => {
      await write(store);
      await sleep(200);
    };
    const read = async () => {
      const before = [...known].filter((id) => !moving.has(id));
      const filters: Record<string, string>[] = [{}, { tag: 'growing' }];
      for (const filter of filters) {
        const query = { sort: 'created_at', ...filter };
        const all = await listAll(reader, caller, 'contacts', query);
        const found = new Set(all.map(({ id }) => id));
        const missing = before.filter((id) => !found.has(id));
        // One that was deleted while the list was read may be missing.
        const lost = [];
        for (const id of missing) {
          const record = await reader.records.find({
            organizationId: caller.organizationId,
            object: 'contacts',
            id,
          });
          if (record?.state === 'live' && record.version === 2) lost.push(id);
        }
        if (lost.length > 0)
          problems.push(`${String(lost.length)} of ${String(before.length)} lost`);
        if (found.size !== all.length) problems.push('a record came twice');
      }
      problems.push(...(await findOutdated(reader, caller, 'contacts')));
    };

    const work = [
      ...writers.map((store) =>
        until(
          () => isOver,
          () => writeSteadily(store),
        ),
      ),
      until(() => isOver, read),
    ];
    // A reader that knows the old spread, and stands still until that is gone.
    const gate = new Gate();
    const faults = [{ at: 'layouts.find', when: 'after' as const, wait: gate.wait }];
    const slow = listAll(
      buildStore(new FaultyCassandra(client, TEST_KEYSPACE, faults), testConfig()),
      caller,
      'contacts',
      { sort: 'created_at' },
    );
    await gate.reached;
    const log: string[] = [];
    await until(
      () => known.size > 20,
      () => sleep(20),
    );
    await grower.rebucketing.grow(caller.organizationId, 4, 'contacts', (line) => log.push(line));
    isOver = true;
    gate.release();
    expect((await slow).length).toBeGreaterThan(20);
    const counts = await Promise.all(work);
    expect(problems).toEqual([]);
    expect(Math.min(...counts)).toBeGreaterThan(3);
    expect(log.at(-1)).toBe('contacts: done');
    const layout = await grower.layouts.find(caller.organizationId, 'contacts');
    expect([layout.readBuckets, layout.writeBuckets]).toEqual([4, [4]]);
    const report = await grower.maintenance.verify(caller.organizationId);
    expect(report.faults).toEqual([]);
    expect(report.records).toBe(known.size);
    const all = await listAll(reader, caller, 'contacts', { sort: 'name' });
    expect(new Set(all.map(({ id }) => id))).toEqual(known);
  });

  it('shows no copy of a version that a write replaces which began before the new spread', async () => {
    const [reader, grower, writer] = stores;
    const client = clients.at(-1);
    if (!reader || !grower || !writer || !client) throw new Error('no store');
    const organization = { ...caller, organizationId: newOrganizationId() };
    const { id } = await writer.contacts.create(organization, { last_name: 'Before' });
    const gate = new Gate();
    const faults = [
      { at: 'records.commit', when: 'before' as const, wait: gate.wait },
      { at: 'list_rows.putCopy', when: 'before' as const },
    ];
    const dying = buildStore(new FaultyCassandra(client, TEST_KEYSPACE, faults), testConfig());
    const change = dying.contacts.patch(organization, id, { title: 'Director' });
    await gate.reached;
    const { organizationId } = organization;
    await grower.rebucketing.grow(organizationId, 4, 'contacts', () => undefined);
    gate.release();
    await expect(change).rejects.toThrow(Crash);
    const [listed] = await listAll(reader, organization, 'contacts', { sort: 'created_at' });
    expect(listed?.version).toBe(2);
    expect(listed?.data.title).toBe('Director');
  });

  // A second after the spread is announced, some processes write to it, and others have not heard of it.
  it('shows nothing that one process has put into the new spread and another one changed', async () => {
    const [reader, grower, informed, late] = stores;
    if (!reader || !grower || !informed || !late) throw new Error('no store');
    const organization = { ...caller, organizationId: newOrganizationId() };
    const { organizationId } = organization;
    const before = await late.layouts.find(organizationId, 'contacts');
    const cached = jest.spyOn(late.layouts, 'get').mockResolvedValue(before);
    const growing = grower.rebucketing.grow(organizationId, 4, 'contacts', () => undefined);
    await until(
      async () => (await reader.layouts.find(organizationId, 'contacts')).writeBuckets.length === 2,
      () => sleep(20),
    );
    const create = (last_name: string) => informed.contacts.create(organization, { last_name });
    const [renamed, removed] = [await create('Adams'), await create('Removed')];
    await late.contacts.patch(organization, renamed.id, { last_name: 'Baker' });
    await late.contacts.remove(organization, removed.id);
    cached.mockRestore();
    await growing;
    for (const sort of ['name', '-created_at']) {
      const all = await listAll(reader, organization, 'contacts', { sort });
      expect(all.map(({ data }) => data.last_name)).toEqual(['Baker']);
    }
    const { faults } = await reader.maintenance.verify(organizationId);
    expect(faults).toEqual([]);
  });

  it('takes no current row for an old one, though it learns of a field in the midst of it', async () => {
    const [reader, grower, writer] = stores;
    if (!reader || !grower || !writer) throw new Error('no store');
    const organization = { ...caller, organizationId: newOrganizationId() };
    const { organizationId } = organization;
    const field = {
      ...{ key: 'rank', kind: 'number' as const, label: 'Rank', indexed: true },
      ...{ required: false, unique: false, options: [], referenceTo: null },
    };
    await writer.fields.create(organization, 'contacts', field);
    for (const last_name of ['One', 'Two', 'Three']) {
      await writer.contacts.create(organization, { last_name });
    }
    jest.spyOn(grower.fields, 'of').mockResolvedValueOnce([]);
    await grower.rebucketing.grow(organizationId, 4, 'contacts', () => undefined);
    await grower.maintenance.repair(organizationId, () => undefined);
    const { faults } = await reader.maintenance.verify(organizationId);
    expect(faults).toEqual([]);
  });
});
