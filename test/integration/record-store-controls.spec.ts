import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { v4 as randomId, v7 as timeOrderedId } from 'uuid';
import {
  type DerivedFrom,
  DerivedRowsRepository,
} from '../../src/records/store/derived-rows.repository';
import type { DerivedRow } from '../../src/records/store/derived-rows';
import { RecordsRepository } from '../../src/records/store/records.repository';
import { UniqueValuesRepository } from '../../src/records/store/unique-values.repository';
import {
  type WriteIntent,
  windowOf,
  WriteIntentsRepository,
} from '../../src/records/store/write-intents.repository';
import { findFaults } from '../support/records/checker';
import { type Fault, Gate } from '../support/records/faulty-cassandra';
import type { Parts } from '../support/records/store';
import {
  type Action,
  connectWriters,
  LEASE_MS,
  type Values,
  World,
} from '../support/records/world';

jest.mock('../../src/common/key-lock', () => ({
  KeyLock: class {
    run<T>(_key: string, work: () => Promise<T>): Promise<T> {
      return work();
    }
  },
}));

class Unfenced extends RecordsRepository {
  override fence(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

class Unnoted extends WriteIntentsRepository {
  override add(intent: Omit<WriteIntent, 'shard' | 'window'>, due = new Date()) {
    return Promise.resolve({ ...intent, shard: 0, window: windowOf(due) });
  }
}

class ByWallClock extends DerivedRowsRepository {
  override write(
    from: DerivedFrom,
    layouts: readonly number[],
    rows: readonly DerivedRow[],
    stale: readonly DerivedRow[],
  ): Promise<void> {
    return super.write({ ...from, createdAt: new Date() }, layouts, rows, stale);
  }
}

class NotWithdrawn extends DerivedRowsRepository {
  override withdrawCopies(): Promise<void> {
    return Promise.resolve();
  }
}

class MineById extends UniqueValuesRepository {
  override renew(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

const contact = (kind: 'create' | 'patch', slot: number, values: Values): Action => ({
  kind,
  object: 'contacts',
  slot,
  values,
});

/** Histories that the store survives by one of its rules; without the rule the checker must see it. */
describe('The checker of the record store', () => {
  let clients: Client[];
  beforeAll(async () => {
    clients = await connectWriters(2);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
  });

  /** An operation that stalls at a place until something else is done. */
  async function whileStalled(
    world: World,
    action: Action,
    place: Omit<Fault, 'wait'>,
    meanwhile: () => Promise<unknown>,
  ): Promise<void> {
    const gate = new Gate();
    const slow = world.run({ writer: 0, action, faults: [{ ...place, wait: gate.wait }] });
    await gate.reached;
    await meanwhile();
    gate.release();
    await slow;
  }

  const histories: [name: string, parts: Parts, history: (world: World) => Promise<unknown>][] = [
    [
      'a creation that stalls past its lease, without the fence',
      { records: Unfenced },
      (world) =>
        whileStalled(
          world,
          contact('create', 0, { uniques: [0] }),
          { at: 'records.commit', when: 'before' },
          async () => {
            await sleep(LEASE_MS + 10);
            await world.run({ writer: 1, action: contact('create', 1, { uniques: [0] }) });
          },
        ),
    ],
    [
      'a crash after the commit, without intents',
      { intents: Unnoted },
      (world) =>
        world.run({
          writer: 0,
          action: contact('create', 0, { uniques: [0] }),
          faults: [{ at: 'list_rows.put', when: 'half' }],
        }),
    ],
    [
      'rows that are written late, by the clock on the wall',
      { derived: ByWallClock },
      async (world) => {
        await world.run({ writer: 0, action: contact('create', 0, {}) });
        await whileStalled(
          world,
          contact('patch', 0, { tags: [1] }),
          { at: 'records.commit', when: 'after' },
          () => world.run({ writer: 1, action: contact('patch', 0, { tags: [] }) }),
        );
      },
    ],
    [
      'a crash after the commit of a change, with copies that are not withdrawn',
      { derived: NotWithdrawn },
      async (world) => {
        await world.run({ writer: 0, action: contact('create', 0, {}) });
        await world.run({
          writer: 0,
          action: contact('patch', 0, { tags: [1] }),
          faults: [{ at: 'records.commit', when: 'after' }],
        });
      },
    ],
    [
      'a late release of a value that is taken again, with claims told by their record',
      { values: MineById },
      async (world) => {
        await world.run({ writer: 0, action: contact('create', 0, { uniques: [0] }) });
        await whileStalled(
          world,
          contact('patch', 0, { uniques: [] }),
          { at: 'unique_values.release', when: 'before' },
          () => world.run({ writer: 1, action: contact('patch', 0, { uniques: [0] }) }),
        );
      },
    ],
  ];

  describe.each(histories)('%s', (_name, parts, history) => {
    it.each([
      ['sees nothing wrong with the store as it is', {}, false],
      ['sees the fault', parts, true],
    ])('%s', async (_title, used, isFaulty) => {
      const world = new World(clients, used);
      await history(world);
      await world.sweep();
      const faults = await findFaults(world);
      if (isFaulty) expect(faults).not.toEqual([]);
      else expect(faults).toEqual([]);
    });
  });

  // Found by random histories: one writer released a claim that the other one had committed on.
  it('sees nothing wrong with two writers who give one record the same value', async () => {
    const world = new World(clients);
    await world.run({ writer: 0, action: contact('create', 0, {}) });
    await whileStalled(
      world,
      contact('patch', 0, { uniques: [0] }),
      { at: 'unique_values.claim', when: 'before' },
      () => world.run({ writer: 1, action: contact('patch', 0, { uniques: [0] }) }),
    );
    await world.run({ writer: 1, action: contact('create', 1, { uniques: [0] }) });
    await world.sweep();
    expect(await findFaults(world)).toEqual([]);
  });

  it('sees nothing wrong with two records that are merged into each other at once', async () => {
    const world = new World(clients);
    for (const slot of [0, 1]) {
      await world.run({ writer: 0, action: contact('create', slot, { tags: [slot] }) });
    }
    const merge = (slot: number, losers: number[]): Action => ({
      kind: 'merge',
      object: 'contacts',
      slot,
      losers,
    });
    await whileStalled(world, merge(0, [1]), { at: 'records.commit', when: 'after' }, () =>
      world.run({ writer: 1, action: merge(1, [0]) }),
    );
    await world.sweep();
    expect(await findFaults(world)).toEqual([]);
  });

  // Found by random histories, too: it gave up within milliseconds, and came back in ten minutes.
  it('sees nothing wrong with a sweep that meets a claim that has just been made', async () => {
    const world = new World(clients);
    const { organizationId, store } = world;
    const id = world.idOf('contacts', 0);
    const email = { field: 'email', value: 'one0@example.com' };
    await store.intents.add({
      id: timeOrderedId(),
      organizationId,
      object: 'contacts',
      recordId: id,
      kind: 'write',
      detail: JSON.stringify({ version: 0, uniques: [email] }),
    });
    await store.values.claim(organizationId, 'contacts', email, id, randomId());
    await world.sweepOnce();
    expect(world.complaints).toEqual([]);
    expect(await store.values.find(organizationId, 'contacts', email)).toBeUndefined();
  });

  // Found by random histories: the deletion was older than what the sweeper looked at.
  it('sees nothing wrong with a crash that brings back what has changed while it was deleted', async () => {
    const world = new World(clients);
    const act = (action: Action, faults: Fault[] = []) => world.run({ writer: 0, action, faults });
    for (const slot of [0, 1]) await act(contact('create', slot, {}));
    await act({ kind: 'merge', object: 'contacts', slot: 0, losers: [1] });
    await act({ kind: 'delete', object: 'contacts', slot: 0 });
    await act({ kind: 'restore', object: 'contacts', slot: 1 });
    await act({ kind: 'restore', object: 'contacts', slot: 0 }, [
      { at: 'list_rows.put', when: 'before' },
    ]);
    await world.sweep();
    expect(await findFaults(world)).toEqual([]);
  });
});
