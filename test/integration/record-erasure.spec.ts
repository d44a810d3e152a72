import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import type { Principal } from '../../src/common/principal';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { Crash, type Fault, FaultyCassandra } from '../support/records/faulty-cassandra';
import { rowsWith } from '../support/records/raw-scan';
import { buildStore, type RecordStore } from '../support/records/store';
import { sweepOrganization } from '../support/records/sweep';
import { connectWriters } from '../support/records/world';

describe('The erasure of a contact', () => {
  let client: Client;
  let store: RecordStore;
  let caller: Principal;
  let since: Date;
  const config = testConfig({ CLAIM_LEASE: '1' });

  beforeAll(async () => {
    const [one] = await connectWriters(1);
    if (!one) throw new Error('not connected');
    client = one;
    store = buildStore(new CassandraService(client, TEST_KEYSPACE), config);
  });
  afterAll(() => client.shutdown());
  beforeEach(() => {
    since = new Date();
    caller = { userId: randomUUID(), organizationId: newOrganizationId(), role: 'admin' };
  });

  /** A contact that has left traces everywhere. */
  async function newPerson() {
    const word = `q${randomUUID().replaceAll('-', '')}`;
    const loser = await store.contacts.create(caller, { last_name: `Loser${word}` });
    const { id } = await store.contacts.create(caller, {
      last_name: `Gone${word}`,
      emails: [{ value: `${word}@example.com` }],
    });
    await store.contacts.patch(caller, id, { title: `T${word}` });
    await store.contacts.merge(caller, id, [loser.id]);
    const company = await store.companies.create(caller, { name: 'Stays' });
    const his = [{ object: 'contacts', id }];
    const note = { kind: 'note', subject: `About ${word}` };
    const alone = await store.activities.create(caller, { ...note, links: his });
    const deleted = await store.activities.create(caller, { ...note, links: his });
    await store.activities.remove(caller, deleted.id);
    const links = [...his, { object: 'companies', id: company.id }];
    const shared = await store.activities.create(caller, { kind: 'note', subject: 'x', links });
    return { word, id, alone, shared, company };
  }

  async function erase(id: string, ...faults: Fault[]): Promise<boolean> {
    const cassandra = new FaultyCassandra(client, TEST_KEYSPACE, faults);
    const key = { organizationId: caller.organizationId, object: 'contacts', id };
    const done = buildStore(cassandra, config).erasure.begin(caller, key);
    const crashed = await done.then(
      () => false,
      (error: unknown) => {
        if (error instanceof Crash) return true;
        throw error;
      },
    );
    await cassandra.idle();
    return crashed;
  }

  async function sweep(): Promise<void> {
    // Sooner than any claim can be told from one of a write that is under way, nobody sweeps.
    await sleep(1100);
    const cassandra = new CassandraService(client, TEST_KEYSPACE);
    const place = { organizationId: caller.organizationId, since };
    expect(await sweepOrganization(client, cassandra, config, place)).toEqual([]);
  }

  async function expectErased({
    word,
    shared,
    company,
    alone,
  }: Awaited<ReturnType<typeof newPerson>>) {
    expect(await rowsWith(client, word)).toEqual([]);
    const left = await store.activities.get(caller, shared.id);
    expect(left.data.links).toEqual([{ object: 'companies', id: company.id }]);
    await expect(store.activities.get(caller, alone.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect((await store.maintenance.verify(caller.organizationId)).faults).toEqual([]);
  }

  it('leaves nothing of it in any table', async () => {
    const person = await newPerson();
    expect((await rowsWith(client, person.word)).length).toBeGreaterThan(10);
    expect(await erase(person.id)).toBe(false);
    // What was noted of writes before is gone with them, at once.
    await expectErased(person);
    await sweep();
    await expectErased(person);
  });

  it('is finished by the sweeper, wherever it was cut off', async () => {
    for (let at = 2; ; at += 11) {
      const person = await newPerson();
      const when = at % 2 === 0 ? 'before' : 'after';
      const crashed = await erase(person.id, { at, when });
      await sweep();
      await expectErased(person);
      if (!crashed) {
        expect(at).toBeGreaterThan(20);
        return;
      }
    }
  }, 240_000);

  it('frees its values, and takes what was deleted before', async () => {
    const person = await newPerson();
    await store.contacts.remove(caller, person.id);
    await erase(person.id);
    await expectErased(person);
    const emails = [{ value: `${person.word}@example.com` }];
    expect((await store.contacts.create(caller, { emails })).version).toBe(1);
  });
});
