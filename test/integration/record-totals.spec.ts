import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, QueryOptions } from 'cassandra-driver';
import fc from 'fast-check';
import { v7 as timeOrderedId } from 'uuid';
import { CassandraService, type Params } from '../../src/cassandra/cassandra.service';
import type { Principal } from '../../src/common/principal';
import type { DealData } from '../../src/deals/deal-data';
import { boardList } from '../../src/deals/deal-totals';
import type { Stage } from '../../src/pipelines/pipeline';
import { bucketOf } from '../../src/records/store/derived-rows';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { type Fault, FaultyCassandra, Gate } from '../support/records/faulty-cassandra';
import { buildStore } from '../support/records/store';
import { sweepOrganization } from '../support/records/sweep';
import { connectWriters } from '../support/records/world';

const PROCESSES = 3;
const RUNS = 4;

describe('The totals of deals', () => {
  let clients: Client[];
  let organizationId: string;
  let caller: Principal;
  let pipelineId: string;
  let stages: Stage[];
  beforeAll(async () => {
    clients = await connectWriters(PROCESSES);
  });
  afterAll(() => Promise.all(clients.map((client) => client.shutdown())));

  /** What one process has of the store; its faults befall all that it does. */
  function process(index: number, faults: Fault[] = []) {
    const cassandra = new FaultyCassandra(clients[index] as Client, TEST_KEYSPACE, faults);
    const store = buildStore(cassandra, testConfig());
    /** What is on the board: `stage: count of amount`. */
    const board = async () => {
      const found = await store.reports.board(caller, pipelineId);
      return found.flatMap(({ name, totals }) =>
        totals.map(({ count, amount }) => `${name}: ${String(count)} of ${String(amount)}`),
      );
    };
    const count = async () => {
      const found = await store.reports.board(caller, pipelineId);
      return found.flatMap(({ totals }) => totals).reduce((sum, { count }) => sum + count, 0);
    };
    const create = (values: object) => {
      const deal = { id: timeOrderedId(), name: 'A deal', amount: 100, currency: 'EUR', ...values };
      return store.deals.create(caller, deal);
    };
    return { store, cassandra, board, count, create };
  }

  beforeEach(async () => {
    organizationId = newOrganizationId();
    caller = { userId: timeOrderedId(), organizationId, role: 'admin' };
    const pipeline = await process(0).store.pipelines.default(caller);
    pipelineId = pipeline.id;
    stages = pipeline.data.stages.slice(0, 3);
  });

  const additions = jest.spyOn(CassandraService.prototype, 'page');
  const addedUp = () =>
    additions.mock.calls.filter(([{ name }]) => name === 'total_rows.sum').length;
  const partitionOf = (id: string) => {
    return {
      organizationId,
      object: 'deals',
      list: boardList(pipelineId, 'all'),
      bucket: bucketOf(id, 2),
    };
  };

  it('are added up once, and again by whoever reads first after a change', async () => {
    const [one, other] = [process(0), process(1)];
    const deal = await one.create({});
    additions.mockClear();
    expect(await one.board()).toEqual(['Lead: 1 of 100']);
    const first = addedUp();
    expect(first).toBeGreaterThan(0);
    expect(await other.board()).toEqual(['Lead: 1 of 100']);
    // Of the other bucket nothing is kept: there is nothing in it.
    expect(addedUp() - first).toBe(1);

    await other.store.deals.patch(caller, deal.id, { name: 'Renamed' });
    additions.mockClear();
    expect(await one.board()).toEqual(['Lead: 1 of 100']);
    expect(addedUp()).toBe(1);

    await other.store.deals.patch(caller, deal.id, { stage_id: stages[1]?.id, amount: 7 });
    expect(await one.board()).toEqual(['Qualified: 1 of 7']);
    await one.store.deals.remove(caller, deal.id);
    expect(await other.board()).toEqual([]);
    await other.store.deals.restore(caller, deal.id);
    expect(await one.board()).toEqual(['Qualified: 1 of 7']);
  });

  it('have every acknowledged deal in them, whoever reads and writes at once', async () => {
    const action = fc.record({
      process: fc.nat(PROCESSES - 1),
      kind: fc.constantFrom('create', 'create', 'move', 'raise', 'remove', 'read', 'read'),
      pick: fc.nat(100),
      stage: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 60 }), async (actions) => {
        const processes = Array.from({ length: PROCESSES }, (_, index) => process(index));
        const own = processes.map((): string[] => []);
        let created = 0;
        let removals = 0;
        await Promise.all(
          processes.map(async ({ store, create, count }, index) => {
            const ids = own[index] ?? [];
            for (const { kind, pick, stage } of actions.filter((one) => one.process === index)) {
              const id = ids[pick % ids.length];
              const stage_id = stages[stage]?.id;
              if (kind === 'create') {
                ids.push((await create({ stage_id })).id);
                created++;
              } else if (kind === 'read') {
                const atLeast = created;
                // More is no fault: a move that is under way is in both stages.
                expect(await count()).toBeGreaterThanOrEqual(atLeast - removals);
              } else if (id !== undefined && kind === 'move') {
                await store.deals.patch(caller, id, { stage_id });
              } else if (id !== undefined && kind === 'raise') {
                await store.deals.patch(caller, id, { amount: pick });
              } else if (id !== undefined) {
                ids.splice(ids.indexOf(id), 1);
                removals++;
                await store.deals.remove(caller, id);
              }
            }
          }),
        );
        const reader = process(0);
        const boards = await Promise.all(processes.map(({ board }) => board()));
        const live = await Promise.all(own.flat().map((id) => reader.store.deals.get(caller, id)));
        const expected = stages.flatMap(({ id, name }) => {
          const there = live.filter((deal) => deal.data.stage_id === id);
          const amount = there.reduce(
            (sum, deal) => sum + ((deal.data as DealData).amount ?? 0),
            0,
          );
          return there.length === 0
            ? []
            : [`${name}: ${String(there.length)} of ${String(amount)}`];
        });
        expect(boards).toEqual(boards.map(() => expected));
        const report = await reader.store.maintenance.verify(organizationId);
        expect(report.faults).toEqual([]);
        for (const id of own.flat()) await reader.store.deals.remove(caller, id);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  }, 120_000);

  // With another number of rows they go into other batches.
  it.each([0, 1, 2])('have a deal with %s tags in them while it moves', async (tags) => {
    const gate = new Gate();
    const [one, slow] = [process(0), process(1)];
    const client = clients[1] as Client;
    const send = client.batch.bind(client);
    const list = boardList(pipelineId, 'all');
    const held = async (statements: { query: string; params: Params }[], options: QueryOptions) => {
      const isNewRow = statements.some(
        ({ query, params }) => query.startsWith('INSERT INTO total_rows') && params.list === list,
      );
      if (isNewRow) await gate.wait();
      return send(statements, options);
    };
    const batch = jest.spyOn(client, 'batch').mockImplementation(held as unknown as () => void);
    const { id } = await one.create({ tags: ['red', 'blue'].slice(0, tags) });
    const move = slow.store.deals.patch(caller, id, { stage_id: stages[1]?.id });
    await gate.reached;
    // Time for all that is not held up.
    await sleep(300);
    expect(await one.board()).toEqual(['Lead: 1 of 100']);
    gate.release();
    await move;
    batch.mockRestore();
    expect(await one.board()).toEqual(['Qualified: 1 of 100']);
  });

  it.each(['total_rows.sum', 'total_sums.put'])(
    'are not those of one who was held up before %s, and comes late',
    async (at) => {
      const gate = new Gate();
      const [one, late] = [
        process(0),
        process(1, [{ at, when: at === 'total_rows.sum' ? 'after' : 'before', wait: gate.wait }]),
      ];
      const { id } = await one.create({});
      const reading = late.board();
      await gate.reached;
      await one.store.deals.patch(caller, id, { amount: 250 });
      expect(await one.board()).toEqual(['Lead: 1 of 250']);
      gate.release();
      expect(await reading).toEqual(['Lead: 1 of 100']);
      expect(await one.board()).toEqual(['Lead: 1 of 250']);
      expect(await late.board()).toEqual(['Lead: 1 of 250']);
    },
  );

  it('have a change in them from its acknowledgement on, when it takes long', async () => {
    const gate = new Gate();
    const [one, slow] = [
      process(0),
      process(1, [{ at: 'list_rows.put', when: 'before', wait: gate.wait }]),
    ];
    const { id } = await one.create({});
    const change = slow.store.deals.patch(caller, id, { amount: 250 });
    await gate.reached;
    expect(await one.board()).toEqual(['Lead: 1 of 100']);
    gate.release();
    await change;
    expect(await one.board()).toEqual(['Lead: 1 of 250']);
  });

  it('are right after the sweep, where a writer died between its rows and its mark', async () => {
    const one = process(0);
    const { id } = await one.create({});
    expect(await one.board()).toEqual(['Lead: 1 of 100']);
    const since = new Date(Date.now() - 1000);
    const dying = process(1, [{ at: 'total_sums.mark', when: 'before' }]);
    await expect(dying.store.deals.patch(caller, id, { amount: 250 })).rejects.toThrow('crashed');
    const settled = new CassandraService(clients[2] as Client, TEST_KEYSPACE);
    expect(
      await sweepOrganization(clients[2] as Client, settled, testConfig(), {
        organizationId,
        since,
      }),
    ).toEqual([]);
    expect(await one.board()).toEqual(['Lead: 1 of 250']);
  });

  it('are read although they cannot be kept', async () => {
    const one = process(0);
    await one.create({});
    const away = () => Promise.reject(new Error('The database is away'));
    const hindered = process(1, [{ at: 'total_sums.put', when: 'before', wait: away }]);
    expect(await hindered.board()).toEqual(['Lead: 1 of 100']);
    expect(await hindered.board()).toEqual(['Lead: 1 of 100']);
  });

  it('are verified: a kept sum that is not that of its rows is found, and repaired', async () => {
    const { store, create, board } = process(0);
    const { id } = await create({});
    await board();
    const partition = partitionOf(id);
    const { marks, current } = await store.sums.find(partition);
    expect(current).toMatchObject([{ records: 1, amount: 100 }]);
    await store.sums.keep(partition, marks, [{ ...current?.[0], records: 2 } as never]);
    expect(await board()).toEqual(['Lead: 2 of 100']);
    const { faults } = await store.maintenance.verify(organizationId);
    expect(faults).toEqual([
      { object: 'deals', id: partition.bucket, list: partition.list, fault: 'miscounted' },
    ]);
    await store.maintenance.repair(organizationId, () => undefined);
    expect(await board()).toEqual(['Lead: 1 of 100']);
    expect((await store.maintenance.verify(organizationId)).faults).toEqual([]);
  });
});
