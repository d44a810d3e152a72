import type { Client } from 'cassandra-driver';
import fc from 'fast-check';
import { findFaults } from '../support/records/checker';
import { program, type Program, WRITERS } from '../support/records/commands';
import { connectWriters, World } from '../support/records/world';

// Processes do not share it; the writers of this file stand for processes.
jest.mock('../../src/common/key-lock', () => ({
  KeyLock: class {
    run<T>(_key: string, work: () => Promise<T>): Promise<T> {
      return work();
    }
  },
}));

/** Many by hand: RECORD_STORE_RUNS=500 RECORD_STORE_SEED=1 npm run test:int -- test/integration/record-store.spec.ts */
const RUNS = Number(process.env.RECORD_STORE_RUNS ?? '12');
const SEED = Number(process.env.RECORD_STORE_SEED ?? String(Date.now() % 1_000_000_000));

describe('The record store', () => {
  let clients: Client[];
  beforeAll(async () => {
    clients = await connectWriters(WRITERS);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
  });

  /** Runs a program to its end; each writer does one thing after the other. */
  async function runProgram({ beginnings, commands, sweepFaults }: Program): Promise<World> {
    const world = new World(clients);
    await Promise.all(beginnings.flat().map((action) => world.run({ writer: 0, action })));
    const writers = clients.map(async (_, writer) => {
      for (const command of commands) if (command.writer === writer) await world.run(command);
    });
    await Promise.all(writers);
    await world.sweep(sweepFaults);
    return world;
  }

  it('answers before the intent of a write is removed, and does no harm where that never happens', async () => {
    const world = new World(clients);
    const attempt = await world.run({
      writer: 0,
      action: { kind: 'create', object: 'contacts', slot: 0, values: { uniques: [0] } },
      faults: [{ at: 'write_intents.remove', when: 'before' }],
    });
    expect(attempt).toMatchObject({ outcome: 'done', crashed: true });
    await world.sweep();
    expect(await findFaults(world)).toEqual([]);
  });

  it(
    `keeps its promises whatever befalls its writers (seed ${String(SEED)})`,
    async () => {
      const outcomes: Record<string, number> = {};
      await fc.assert(
        fc.asyncProperty(program, async (one) => {
          const world = await runProgram(one);
          for (const { command, outcome, crashed } of world.attempts) {
            const name = `${command.action.kind} ${crashed ? 'crashed' : outcome}`;
            outcomes[name] = (outcomes[name] ?? 0) + 1;
          }
          expect(await findFaults(world)).toEqual([]);
        }),
        { numRuns: RUNS, seed: SEED, endOnFailure: true },
      );
      process.stdout.write(`${JSON.stringify(outcomes)}\n`);
    },
    60_000 + RUNS * 10_000,
  );
});
