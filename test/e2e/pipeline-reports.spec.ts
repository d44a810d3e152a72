import { setTimeout as sleep } from 'node:timers/promises';
import { Maintenance } from '../../src/records/upkeep/maintenance.service';
import { startApp, type TestApp } from '../support/app';
import { type DealBody, type PipelineBody, Seller } from '../support/sales';

interface Money {
  currency: string | null;
  count: number;
  amount: number;
  weighted: number;
}
type Row = Money & { month?: string | null; owner_id?: string | null };
interface Board {
  stage_id: string;
  name: string;
  totals: Money[];
}
interface Conversion {
  stages: { name: string; entered: number; average_seconds: number | null }[];
  won: number;
  lost: number;
}

/** A month from now, as YYYY-MM. */
function monthAhead(months: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months))
    .toISOString()
    .slice(0, 7);
}
const pick = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)] as T;

describe('What is in a pipeline', () => {
  let server: TestApp;
  let seller: Seller;
  let member: Seller;
  let pipeline: PipelineBody;
  let stage: (name: string) => string;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    seller = new Seller(server, await server.api.newAdmin());
    member = new Seller(server, await server.api.newUser(seller.account, 'member'));
    ({ pipeline, stage } = await seller.pipeline());
  });

  const report = <T>(name: string, by = seller) => by.read<T>(`pipelines/${pipeline.id}/${name}`);
  const board = async (by = seller) =>
    Object.fromEntries((await report<Board[]>('board', by)).map((one) => [one.name, one.totals]));

  /** What a forecast must say of these deals, with the stages as they are. */
  function recount(deals: DealBody[], keyOf: (deal: DealBody) => object): string[] {
    const sums = new Map<string, { count: number; amount: number; percent: number }>();
    for (const deal of deals) {
      const at = pipeline.stages.find(({ id }) => id === deal.stage_id);
      const ownPercent = at?.type === 'open' ? deal.probability : null;
      const percent = ownPercent ?? at?.probability ?? NaN;
      const key = JSON.stringify({ ...keyOf(deal), currency: deal.currency });
      const sum = sums.get(key) ?? { count: 0, amount: 0, percent: 0 };
      sum.count += 1;
      sum.amount += deal.amount ?? 0;
      sum.percent += (deal.amount ?? 0) * percent;
      sums.set(key, sum);
    }
    return [...sums]
      .map(([key, { count, amount, percent }]) => {
        const weighted = Math.floor((percent + 50) / 100);
        return JSON.stringify({ ...(JSON.parse(key) as object), count, amount, weighted });
      })
      .sort();
  }
  const texts = (rows: object[]) => rows.map((row) => JSON.stringify(row)).sort();

  async function expectRecount(by = seller): Promise<void> {
    pipeline = await seller.read<PipelineBody>(`pipelines/${pipeline.id}`);
    const all = await by.read<DealBody[]>('deals?limit=200');
    const months = Array.from({ length: 12 }, (_, index) => monthAhead(index));
    const monthOf = ({ close_date: date }: DealBody) => date?.slice(0, 7) ?? null;
    const due = all.filter((deal) => {
      const month = monthOf(deal);
      return month === null || months.includes(month);
    });
    expect(texts(await report<Row[]>('forecast', by))).toEqual(
      recount(due, (deal) => ({ month: monthOf(deal) })),
    );
    expect(texts(await report<Row[]>('forecast?group_by=owner', by))).toEqual(
      recount(due, (deal) => ({ owner_id: deal.owner_id })),
    );
    const onBoard = (await report<Board[]>('board', by)).flatMap(({ stage_id, totals }) =>
      totals.map((total) => ({ stage_id, ...total })),
    );
    expect(texts(onBoard)).toEqual(recount(all, ({ stage_id }) => ({ stage_id })));
  }

  it('stands on the board: of all for managers, of his own for a member', async () => {
    await seller.create('deals', { name: 'a', amount: 1000, currency: 'EUR' });
    await seller.create('deals', { name: 'b', amount: 50, currency: 'USD', probability: 50 });
    await seller.create('deals', { name: 'c' });
    await member.create('deals', { name: 'd', amount: 333, currency: 'EUR' });
    const won = { stage_id: stage('Won'), probability: 1 };
    await member.create('deals', { name: 'e', amount: 7, currency: 'EUR', ...won });
    const all = await report<Board[]>('board');
    expect(all.map(({ name }) => name)).toEqual(pipeline.stages.map(({ name }) => name));
    const wonTotals = [{ currency: 'EUR', count: 1, amount: 7, weighted: 7 }];
    expect(await board()).toMatchObject({
      Lead: [
        { currency: null, count: 1, amount: 0, weighted: 0 },
        { currency: 'EUR', count: 2, amount: 1333, weighted: 133 },
        { currency: 'USD', count: 1, amount: 50, weighted: 25 },
      ],
      Qualified: [],
      Won: wonTotals,
    });
    expect(await board(member)).toMatchObject({
      Lead: [{ currency: 'EUR', count: 1, amount: 333, weighted: 33 }],
      Won: wonTotals,
    });
    const viewer = new Seller(server, await server.api.newUser(seller.account, 'viewer'));
    expect(await board(viewer)).toEqual(await board());
  });

  it('is forecast by month and by owner, with the stages as they are now', async () => {
    const [first, second] = [monthAhead(0), monthAhead(3)];
    const bodies = [
      { amount: 100_00, close_date: `${first}-15` },
      { amount: 33_33, close_date: `${first}-28`, stage_id: stage('Proposal') },
      { amount: 50_00, close_date: `${second}-01`, stage_id: stage('Proposal'), probability: 5 },
      { amount: 70_00, close_date: `${second}-02`, stage_id: stage('Won'), probability: 5 },
      { amount: 90_00, close_date: `${second}-03`, stage_id: stage('Lost'), lost_reason: 'Price' },
      { amount: 11_00 },
      { amount: 10_00, close_date: `${monthAhead(12)}-01` },
    ];
    for (const body of bodies) {
      await seller.create('deals', { name: 'Deal', currency: 'EUR', ...body });
    }
    await member.create('deals', { name: 'Deal', amount: 9, currency: 'EUR' });
    await expectRecount();
    await expectRecount(member);
    expect(await report('forecast')).toEqual([
      { month: first, currency: 'EUR', count: 2, amount: 133_33, weighted: 30_00 },
      { month: second, currency: 'EUR', count: 3, amount: 210_00, weighted: 72_50 },
      { month: null, currency: 'EUR', count: 2, amount: 11_09, weighted: 1_11 },
    ]);
    // Both bounds are included, and with them no deal counts that has no date.
    const range = `from=${second}&to=${monthAhead(12)}`;
    expect(await report<Row[]>(`forecast?${range}`)).toMatchObject([
      { month: second, count: 3 },
      { month: monthAhead(12), count: 1, weighted: 1_00 },
    ]);
    expect(await report<Row[]>(`forecast?${range}&group_by=owner`)).toMatchObject([
      { owner_id: seller.account.id, count: 4 },
    ]);

    const stages = pipeline.stages.map((one) =>
      one.name === 'Proposal' ? { ...one, probability: 90 } : one,
    );
    await seller.change(`pipelines/${pipeline.id}`, { stages });
    // 10 % of 100.00 and 90 % of 33.33; the one with a probability of its own has it still.
    expect(await report<Row[]>('forecast')).toMatchObject([
      { weighted: 40_00 },
      { weighted: 72_50 },
      {},
    ]);
    await expectRecount();
  });

  it.each([
    'from=2026-13',
    'from=2026-1',
    'from=2026-02&to=2026-01',
    'from=2026-01&to=2028-01',
    'by=x',
  ])('is not told for %s', async (query) => {
    for (const name of ['forecast', 'conversion']) {
      const response = await seller.get(`pipelines/${pipeline.id}/${name}?${query}`);
      expect([name, response.status]).toEqual([name, 400]);
    }
    const group = await seller.get(`pipelines/${pipeline.id}/forecast?group_by=stage`);
    expect(group.status).toBe(400);
  });

  it('converts from stage to stage', async () => {
    const deals: DealBody[] = [];
    for (const by of [seller, seller, seller, member]) {
      deals.push(await by.create<DealBody>('deals', { name: 'Deal' }));
    }
    const [one, two, three] = deals;
    const move = (deal: DealBody | undefined, name: string, body: object = {}) =>
      seller.change(`deals/${String(deal?.id)}`, { stage_id: stage(name), ...body });
    await sleep(1100);
    await move(one, 'Proposal');
    await move(one, 'Won');
    await move(two, 'Qualified');
    await move(two, 'Lead');
    await move(two, 'Lost', { lost_reason: 'Price' });
    await move(three, 'Qualified');
    const found = await report<Conversion>('conversion');
    const nothing = { moved_on: 0, moved_elsewhere: 0, lost: 0, still_there: 0 };
    expect(found).toMatchObject({
      won: 1,
      lost: 1,
      stages: [
        { name: 'Lead', ...nothing, entered: 4, moved_on: 2, lost: 1, still_there: 1 },
        { name: 'Qualified', ...nothing, entered: 2, moved_elsewhere: 1, still_there: 1 },
        { name: 'Proposal', ...nothing, entered: 1, moved_on: 1 },
        { name: 'Negotiation', ...nothing, entered: 0, average_seconds: null },
        { name: 'Won', ...nothing, entered: 1, still_there: 1 },
        { name: 'Lost', ...nothing, entered: 1, still_there: 1 },
      ],
    });
    expect(found.stages[0]?.average_seconds).toBeGreaterThanOrEqual(1);
    expect(await report('conversion', member)).toMatchObject({
      won: 0,
      lost: 0,
      stages: [{ entered: 1, still_there: 1 }, { entered: 0 }, {}, {}, {}, {}],
    });
    const past = await report<Conversion>(`conversion?to=${monthAhead(-1)}`);
    expect(past.stages.map(({ entered }) => entered)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('adds up after any changes', async () => {
    const owners = [seller.account.id, member.account.id, null];
    const change = () => ({
      amount: pick([null, 0, 1, 333, 1_000_001]),
      currency: pick(['EUR', 'USD', null]),
      close_date: pick([
        null,
        `${monthAhead(1)}-05`,
        `${monthAhead(5)}-06`,
        `${monthAhead(-1)}-07`,
      ]),
      probability: pick([null, 0, 45, 100]),
      owner_id: pick(owners),
      ...pick([
        {},
        { stage_id: stage('Lost'), lost_reason: 'Price' },
        ...['Lead', 'Qualified', 'Won'].map((name) => ({ stage_id: stage(name) })),
      ]),
    });
    const ids: string[] = [];
    for (let count = 0; count < 8; count++) {
      const body = { name: 'Deal', ...change() };
      ids.push((await seller.create<DealBody>('deals', body)).id);
    }
    for (let count = 0; count < 30; count++) {
      const path = `deals/${pick(ids)}`;
      if (count % 10 === 3) await seller.delete(path);
      else if (count % 10 === 6) await seller.post(`${path}/restore`, {});
      else expect([200, 404]).toContain((await seller.patch(path, change())).status);
    }
    await expectRecount();
    await expectRecount(member);
    const { faults } = await server.app.get(Maintenance).verify(seller.account.organizationId);
    expect(faults).toEqual([]);
  });
});
