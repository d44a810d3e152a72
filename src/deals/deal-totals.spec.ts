import type { Stage } from '../pipelines/pipeline';
import type { DealData, StageVisit } from './deal-data';
import { conversionOf, dealTotals, type Group, percentOf, sumMoney } from './deal-totals';

const lead: Stage = { id: 'lead', name: 'Lead', type: 'open', order: 0, probability: 10 };
const offer: Stage = { id: 'offer', name: 'Offer', type: 'open', order: 1, probability: 33 };
const won: Stage = { id: 'won', name: 'Won', type: 'won', order: 2, probability: 100 };
const lost: Stage = { id: 'lost', name: 'Lost', type: 'lost', order: 3, probability: 0 };
const stages = [lead, offer, won, lost];

const group = (groups: string[], records: number, amount: number): Group => {
  const [a = '', b = '', c = '', d = '', e = ''] = groups;
  return { groups: [a, b, c, d, e], records, amount };
};

describe('The weight of a deal', () => {
  it.each<[Stage | undefined, string, number]>([
    [offer, '', 33],
    [offer, '042', 42],
    [offer, '000', 0],
    [won, '042', 100],
    [lost, '042', 0],
    [undefined, '042', 0],
  ])('%j with %j of its own is %d %%', (stage, own, percent) => {
    expect(percentOf(stage, own)).toBe(percent);
  });
});

describe('The sum of money', () => {
  const sum = (...parts: Group[]) =>
    sumMoney(
      stages,
      parts.map((part) => ({ ...part, key: 'k' })),
    ).get('k');

  it('is by currency, over buckets and stages, and rounded once', () => {
    const parts = [
      group(['offer', 'EUR', ''], 1, 1),
      group(['offer', 'EUR', ''], 1, 1),
      group(['won', 'EUR', '010'], 1, 100),
      group(['lost', 'EUR', ''], 1, 1000),
      group(['lead', '', ''], 3, 0),
    ];
    expect(sum(...parts)).toEqual([
      { currency: null, count: 3, amount: 0, weighted: 0 },
      // 0.33 + 0.33 + 100
      { currency: 'EUR', count: 4, amount: 1102, weighted: 101 },
    ]);
  });

  it('is exact where doubles are not', () => {
    const amount = 8_999_999_999_999_999;
    const [money] = sum(group(['offer', 'EUR', '099'], 900, amount)) ?? [];
    expect(money?.weighted).toBe(8_909_999_999_999_999);
  });
});

describe('What a deal adds to totals', () => {
  const visit = (stage: string, month: string, seconds: number | null): StageVisit => ({
    pipeline_id: 'p',
    stage_id: stage,
    entered_at: `${month}-10T00:00:00.000Z`,
    left_at: seconds === null ? null : `${month}-11T00:00:00.000Z`,
    seconds,
  });
  const deal = {
    owner_id: 'o',
    pipeline_id: 'p',
    stage_id: 'offer',
    amount: 500,
    currency: 'EUR',
    probability: 7,
    close_date: '2026-03-31',
    stage_history: [
      visit('lead', '2026-01', 5),
      visit('offer', '2026-01', 7),
      visit('lead', '2026-02', 11),
      visit('offer', '2026-02', null),
    ],
  } as unknown as DealData;

  it('is for all and for its owner, with its own probability and without that of its stage', () => {
    const rows = dealTotals(deal).filter(({ list }) => !list.startsWith('conversion'));
    expect(rows).toEqual([
      { list: 'board:p|all', groups: ['offer', 'EUR', '007', '', ''], amount: 500 },
      { list: 'forecast:p:2026-03|all', groups: ['offer', 'EUR', '007', 'o', ''], amount: 500 },
      { list: 'board:p|owner:o', groups: ['offer', 'EUR', '007', '', ''], amount: 500 },
      { list: 'forecast:p:2026-03|owner:o', groups: ['offer', 'EUR', '007', 'o', ''], amount: 500 },
    ]);
  });

  it('counts it once in each stage, with all its time there and where it went last', () => {
    const rows = dealTotals({ ...deal, owner_id: null });
    expect(rows.filter(({ list }) => list.startsWith('conversion'))).toEqual([
      { list: 'conversion:p:2026-01|all', groups: ['lead', 'offer', '', '', ''], amount: 16 },
      { list: 'conversion:p:2026-01|all', groups: ['offer', '', '', '', ''], amount: 7 },
    ]);
  });
});

describe('Conversion', () => {
  it('tells what became of the deals in each stage', () => {
    const { stages: rows, ...ends } = conversionOf(stages, [
      group(['lead', 'offer'], 4, 400),
      group(['lead', 'won'], 1, 50),
      group(['lead', 'lost'], 2, 20),
      group(['lead', 'lost'], 1, 10),
      group(['lead', ''], 5, 9999),
      group(['offer', 'lead'], 1, 30),
      group(['offer', 'of another pipeline'], 1, 31),
      group(['won', ''], 3, 0),
      group(['lost', ''], 2, 0),
    ]);
    expect(ends).toEqual({ won: 3, lost: 2 });
    expect(rows[0]).toEqual({
      stage_id: 'lead',
      name: 'Lead',
      type: 'open',
      entered: 13,
      moved_on: 5,
      moved_elsewhere: 0,
      lost: 3,
      still_there: 5,
      average_seconds: 60,
    });
    expect(rows[1]).toMatchObject({ entered: 2, moved_elsewhere: 2, average_seconds: 31 });
    expect(rows[2]).toMatchObject({ entered: 3, still_there: 3, average_seconds: null });
  });
});
