import { setTimeout as sleep } from 'node:timers/promises';
import { randomInt, randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { inParallel } from '../../src/common/in-parallel';
import type { Principal } from '../../src/common/principal';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { Crash, type Fault, FaultyCassandra } from '../support/records/faulty-cassandra';
import { rowsWith } from '../support/records/raw-scan';
import { buildStore, type RecordStore } from '../support/records/store';
import { sweepOrganization } from '../support/records/sweep';
import { connectWriters } from '../support/records/world';

const AT_ONCE = 6;

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
  beforeEach(async () => {
    since = new Date();
    caller = { userId: randomUUID(), organizationId: newOrganizationId(), role: 'admin' };
    company = (await store.companies.create(caller, { name: 'Stays' })).id;
  });

  /** What a person has beside himself: with all of it an erasure takes every path that it has. */
  type Trace = 'merged' | 'activities' | 'deal' | 'deleted';
  const TRACES: Trace[] = ['merged', 'activities', 'deal', 'deleted'];

  interface Person {
    word: string;
    phone: string;
    id: string;
    /** The ids of what has to go. */
    gone: string[];
    shared: string[];
    deals: string[];
    company: string;
  }

  const newWord = () => `q${randomUUID().replaceAll('-', '')}`;
  const newPhones = () => `+49151${String(randomInt(10_000, 99_999))}`;
  let company: string;
  const identityOf = ({ word, phone }: Pick<Person, 'word' | 'phone'>) => ({
    emails: [{ value: `${word}@example.com` }],
    phones: [{ value: phone }],
    external_ids: { erp: `Key${word}` },
  });

  /** A contact that has left traces. */
  async function newPerson(word: string, phone: string, traces: readonly Trace[]): Promise<Person> {
    const has = (trace: Trace) => traces.includes(trace);
    const { id } = await store.contacts.create(caller, {
      last_name: `Gone${word}`,
      ...identityOf({ word, phone }),
    });
    const person: Person = { word, phone, id, gone: [id], shared: [], deals: [], company };
    await store.contacts.patch(caller, id, { title: `T${word}`, tags: [`tag${word}`] });
    if (has('merged')) {
      const lost = { last_name: `Loser${word}`, external_ids: { crm: `Lost${word}` } };
      const loser = await store.contacts.create(caller, lost);
      await store.contacts.merge(caller, id, [loser.id]);
      person.gone.push(loser.id);
    }
    const his = [{ object: 'contacts', id }];
    if (has('activities')) {
      const note = { kind: 'note', subject: `About ${word}`, links: his };
      const alone = await store.activities.create(caller, note);
      const deleted = await store.activities.create(caller, note);
      await store.activities.remove(caller, deleted.id);
      person.gone.push(alone.id, deleted.id);
      const links = [...his, { object: 'companies', id: company }];
      const shared = await store.activities.create(caller, { kind: 'note', subject: 'x', links });
      person.shared.push(shared.id);
    }
    if (has('deal')) {
      const deal = await store.deals.create(caller, { name: 'Anvils', contact_ids: [id] });
      person.deals.push(deal.id);
    }
    if (has('deleted')) await store.contacts.remove(caller, id);
    return person;
  }

  /** @returns whether it crashed, and the database as it has seen it */
  async function erase(id: string, ...faults: Fault[]) {
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
    return { crashed, cassandra };
  }

  async function sweep(): Promise<void> {
    // Sooner than any claim can be told from one of a write that is under way, nobody sweeps.
    await sleep(1100);
    const cassandra = new CassandraService(client, TEST_KEYSPACE);
    const place = { organizationId: caller.organizationId, since };
    expect(await sweepOrganization(client, cassandra, config, place)).toEqual([]);
  }

  /** Nothing of them can be read, by whomever and wherever; `common` is in all of their words. */
  async function expectErased(people: readonly Person[], common: string, phones: string) {
    expect(await rowsWith(client, common)).toEqual([]);
    const rows = await rowsWith(client, caller.organizationId);
    expect(rows.filter((row) => row.includes(phones.slice(1)))).toEqual([]);
    // Words, digits and the like of whatever length lead to the id, if to anything.
    const gone = people.flatMap((person) => person.gone);
    const leading = /^(list_rows|total_rows|unique_values|merge_steps): /;
    const left = rows.filter((row) => leading.test(row) && gone.some((id) => row.includes(id)));
    expect(left).toEqual([]);
    for (const { word, phone, id, shared, deals } of people) {
      await expect(store.contacts.get(caller, id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      for (const activity of shared) {
        const { links } = (await store.activities.get(caller, activity)).data;
        expect(links).toEqual([{ object: 'companies', id: company }]);
      }
      for (const deal of deals) {
        expect((await store.deals.get(caller, deal)).data.contact_ids).toEqual([]);
      }
      for (const query of [
        { email: `${word}@example.com` },
        { phone },
        { q: phone },
        { q: word },
      ]) {
        expect((await store.contacts.list(caller, query)).items).toEqual([]);
      }
    }
    expect((await store.maintenance.verify(caller.organizationId)).faults).toEqual([]);
  }

  /** Their values are free: somebody else can have them. */
  async function expectFree(people: readonly Person[]) {
    await inParallel(people, AT_ONCE, async (person) => {
      const { version } = await store.contacts.create(caller, identityOf(person));
      expect(version).toBe(1);
    });
  }

  it.each([['live', TRACES.slice(0, -1)] as const, ['deleted before', TRACES] as const])(
    'leaves nothing of one that is %s in any table, and frees its values',
    async (_state, traces) => {
      const [word, phones] = [newWord(), newPhones()];
      const person = await newPerson(word, `${phones}000`, traces);
      expect((await rowsWith(client, word)).length).toBeGreaterThan(10);
      expect((await rowsWith(client, phones.slice(1))).length).toBeGreaterThan(2);
      expect((await erase(person.id)).crashed).toBe(false);
      // What was noted of writes before is gone with them, at once.
      await expectErased([person], word, phones);
      await sweep();
      await expectErased([person], word, phones);
      await expectFree([person]);
    },
  );

  it('is finished by the sweeper, whichever of its calls it was cut off at', async () => {
    const [common, phones] = [newWord(), newPhones()];
    let count = 0;
    const newOne = (traces: readonly Trace[]) => {
      const number = count++;
      const phone = `${phones}${String(number).padStart(3, '0')}`;
      return newPerson(`${common}x${String(number)}x`, phone, traces);
    };
    // A few small erasures have fewer calls than one that has everything, and between them the same.
    const shapes: Trace[][] = [['merged'], ['activities'], ['deal', 'deleted']];
    const people: Person[] = [];
    const runs: { traces: Trace[]; fault: Fault }[] = [];
    for (const traces of shapes) {
      const person = await newOne(traces);
      const { seen } = (await erase(person.id)).cassandra;
      people.push(person);
      seen.forEach((kind, index) => {
        const at = index + 1;
        // Killed at a read it leaves what it leaves before the next write. Before the first one, which
        // notes what is to be done, nothing has happened.
        if (kind !== 'read' && at > 1) runs.push({ traces, fault: { at, when: 'before' } });
        if (kind !== 'read') runs.push({ traces, fault: { at, when: 'after' } });
        if (kind === 'scatter') runs.push({ traces, fault: { at, when: 'half' } });
      });
    }
    expect(runs.length).toBeGreaterThan(100);
    let crashes = 0;
    await inParallel(runs, AT_ONCE, async ({ traces, fault }) => {
      const person = await newOne(traces);
      people.push(person);
      if ((await erase(person.id, fault)).crashed) crashes++;
    });
    expect(crashes).toBe(runs.length);
    expect((await rowsWith(client, common)).length).toBeGreaterThan(runs.length);
    await sweep();
    await expectErased(people, common, phones);
    await expectFree(people);
  }, 240_000);
});
