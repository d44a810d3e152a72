import type { Client } from 'cassandra-driver';
import fc from 'fast-check';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { CHANGE_OBJECTS, type Pointer } from '../../src/changes/change';
import { ChangesRepository } from '../../src/changes/changes.repository';
import { definitionOf } from '../../src/records/record-definition';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { buildFeed, type FollowedChange, rebuild, sequenceSince } from '../support/changes';
import { program, WRITERS } from '../support/records/commands';
import { type Fault, FaultyCassandra, Gate } from '../support/records/faulty-cassandra';
import { type Action, connectWriters, World } from '../support/records/world';

const RUNS = Number(process.env.CHANGES_RUNS ?? '8');
const SEED = Number(process.env.CHANGES_SEED ?? String(Date.now() % 1_000_000_000));
/** Calls of the database of a sequencer that has some records to do. */
const CALLS = 30;

const sequencerFault: fc.Arbitrary<Fault> = fc.record({
  at: fc.integer({ min: 1, max: CALLS }),
  when: fc.constantFrom('before', 'half', 'after'),
});

/** Never notes what the last append may have left. */
class Forgetful extends ChangesRepository {
  override list() {
    return Promise.resolve([]);
  }
}

/** Appends wherever the head is now, whatever has come there since it was read. */
class Unfenced extends ChangesRepository {
  override async append(organizationId: string, _head: number, pointers: readonly Pointer[]) {
    const end = await this.chunkEnd(organizationId, 0, true);
    return super.append(organizationId, end?.head ?? 0, pointers);
  }
}

describe('The change feed', () => {
  let clients: Client[];
  let settled: CassandraService;
  beforeAll(async () => {
    clients = await connectWriters(WRITERS);
    settled = new CassandraService(clientOf(0), TEST_KEYSPACE);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
  });

  function clientOf(index: number): Client {
    const client = clients[index % clients.length];
    if (!client) throw new Error('not connected');
    return client;
  }

  /** The work of a sequencer that may die of its faults, or get in the way of another one. */
  async function sequence(world: World, faults: Fault[], Changes = ChangesRepository) {
    const cassandra = new FaultyCassandra(clientOf(1), TEST_KEYSPACE, faults);
    const { sequencer } = buildFeed(cassandra, testConfig(), Changes);
    await sequenceSince(sequencer, world.organizationId, world.startedAt).catch(() => undefined);
    await cassandra.idle();
    return cassandra.crashed;
  }

  async function follow(world: World): Promise<FollowedChange[]> {
    const { changes } = buildFeed(settled, testConfig());
    const found: FollowedChange[] = [];
    for (let cursor: string | undefined; ;) {
      const query = { cursor, fromNow: false, objects: CHANGE_OBJECTS, limit: 7, waitMs: 0 };
      const page = await changes.list(world.reader, query, new AbortController().signal);
      if (page.items.length === 0) return found;
      for (const { object, id, event } of page.items) found.push({ object, id, ...event });
      cursor = page.nextCursor ?? undefined;
    }
  }

  /** What a follower gets that is not so, and what he misses. */
  async function findFaults(world: World): Promise<string[]> {
    const { records, faults } = rebuild(await follow(world));
    const { organizationId } = world;
    for (const object of ['contacts', 'companies']) {
      const walk = world.store.maintenance.walk(organizationId, definitionOf(object));
      for await (const some of walk) {
        for (const { id, version, state, data } of some) {
          const name = `${object}/${id}`;
          const stored = JSON.stringify(sorted({ version, state, data }));
          const found = records.get(name);
          const built = found && {
            version: found.version,
            state: found.state,
            data: found.data,
          };
          if (JSON.stringify(sorted(built)) !== stored) {
            faults.push(`${name} is ${stored}, and was rebuilt as ${JSON.stringify(built)}`);
          }
          records.delete(name);
        }
      }
    }
    return [...faults, ...[...records.keys()].map((name) => `${name} is not there`)];
  }

  it(
    `tells every version once and in order, whatever befalls writers and sequencers (seed ${String(SEED)})`,
    async () => {
      let versions = 0;
      let crashes = 0;
      await fc.assert(
        fc.asyncProperty(
          program,
          fc.array(sequencerFault, { minLength: 1, maxLength: 4 }),
          async ({ beginnings, commands, sweepFaults }, wounds) => {
            const world = new World(clients);
            await Promise.all(beginnings.flat().map((action) => world.run({ writer: 0, action })));
            let isWriting = true;
            const sequencers = [0, 1].map(async (one) => {
              for (let round = one; isWriting; round++) {
                const wound = wounds[round];
                if (await sequence(world, wound ? [wound] : [])) crashes++;
              }
            });
            const writers = clients.map(async (_, writer) => {
              for (const command of commands) {
                if (command.writer === writer) await world.run(command);
              }
            });
            await Promise.all(writers);
            await world.sweep(sweepFaults);
            isWriting = false;
            await Promise.all(sequencers);
            await sequence(world, []);
            expect(await findFaults(world)).toEqual([]);
            versions += (await follow(world)).length;
          },
        ),
        { numRuns: RUNS, seed: SEED, endOnFailure: true },
      );
      expect(versions).toBeGreaterThan(RUNS * 5);
      process.stdout.write(`${JSON.stringify({ versions, crashes })}\n`);
    },
    60_000 + RUNS * 15_000,
  );

  const create = (slot: number): Action => ({
    kind: 'create',
    object: 'contacts',
    slot,
    values: { uniques: [slot] },
  });

  /** A sequencer stalls at a statement; another one does the work, then it goes on. */
  async function stalled(place: Omit<Fault, 'wait'>, Changes = ChangesRepository): Promise<World> {
    const world = new World(clients);
    for (const slot of [0, 1, 2]) await world.run({ writer: 0, action: create(slot) });
    const gate = new Gate();
    const slow = sequence(world, [{ ...place, wait: gate.wait }], Changes);
    await gate.reached;
    await sequence(world, [], Changes);
    await world.run({ writer: 0, action: create(3) });
    gate.release();
    await slow;
    await sequence(world, [], Changes);
    return world;
  }

  /** One dies after its append, before it notes how far it has come. */
  async function killed(Changes = ChangesRepository): Promise<World> {
    const world = new World(clients);
    for (const slot of [0, 1, 2]) await world.run({ writer: 0, action: create(slot) });
    const wasKilled = await sequence(world, [{ at: 'changes.moveHead', when: 'after' }], Changes);
    expect(wasKilled).toBe(true);
    await sequence(world, [], Changes);
    return world;
  }

  const places: Omit<Fault, 'wait'>[] = [
    { at: 'change_outbox.list', when: 'after' },
    { at: 'change_versions.findMany', when: 'after' },
    { at: 'changes.moveHead', when: 'before' },
    { at: 'changes.moveHead', when: 'after' },
    { at: 'change_versions.put', when: 'before' },
    { at: 'change_versions.put', when: 'after' },
  ];
  it.each(places)(
    'tells nothing twice when a sequencer stalls $when $at and another one takes over',
    async (place) => {
      const world = await stalled(place);
      expect(await findFaults(world)).toEqual([]);
      expect(await follow(world)).toHaveLength(4);
    },
  );

  it('tells nothing twice when a sequencer dies after its append', async () => {
    const world = await killed();
    expect(await findFaults(world)).toEqual([]);
    expect(await follow(world)).toHaveLength(3);
  });

  describe('without one of its rules is found out by the same checker', () => {
    it('the fence', async () => {
      expect(
        await findFaults(
          await stalled({ at: 'change_versions.findMany', when: 'after' }, Unfenced),
        ),
      ).not.toEqual([]);
    });

    it('the look at the last append', async () => {
      expect(await findFaults(await killed(Forgetful))).not.toEqual([]);
    });
  });
});

/** With the keys of every object in one order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
