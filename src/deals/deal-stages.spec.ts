import type { AppError, FieldFault } from '../common/errors';
import type { Stage } from '../pipelines/pipeline';
import type { DealData } from './deal-data';
import { type Before, chosenStage, inStage, lostReason } from './deal-stages';

function stage(id: string, type: Stage['type'], order: number): Stage {
  return { id, name: id, type, order, probability: 50 };
}
const lead = stage('lead', 'open', 0);
const offer = stage('offer', 'open', 1);
const won = stage('won', 'won', 2);
const lost = stage('lost', 'lost', 3);
const pipeline = { id: 'p', stages: [lead, offer, won, lost] };

const blank = {
  owner_id: null,
  tags: [],
  custom: {},
  external_ids: {},
  name: 'Deal',
  pipeline_id: null,
  stage_id: null,
  amount: null,
  currency: null,
  close_date: null,
  probability: null,
  company_id: null,
  contact_ids: [],
  lost_reason: null,
} as unknown as DealData;

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
const live = (data: DealData): Before => ({ state: 'live', data });

function faultOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return ((error as AppError).details as FieldFault[])[0]?.field ?? '';
  }
  return 'none';
}

describe('The stage of a deal', () => {
  const inLead = inStage(blank, 'p', lead, undefined, at(0));

  it('is the first open one unless told', () => {
    const wonFirst = { id: 'p', stages: [won, offer, lead, lost] };
    expect(chosenStage(blank, wonFirst, undefined)).toBe(offer);
    expect(chosenStage({ ...blank, stage_id: 'won' }, pipeline, undefined)).toBe(won);
  });

  it('must be of the pipeline', () => {
    const strange = { ...blank, stage_id: 'strange' };
    expect(faultOf(() => chosenStage(strange, pipeline, undefined))).toBe('stage_id');
    expect(faultOf(() => chosenStage(strange, pipeline, live(inLead)))).toBe('stage_id');
  });

  it('is the first open one of another pipeline', () => {
    const other = { id: 'q', stages: [stage('x', 'lost', 0), stage('y', 'open', 1)] };
    expect(chosenStage(inLead, other, live(inLead))?.id).toBe('y');
  });

  it('may be gone without anybody minding, until the deal is brought back', () => {
    const shorter = { id: 'p', stages: [offer, won, lost] };
    expect(chosenStage(inLead, shorter, live(inLead))).toBeUndefined();
    expect(chosenStage(inLead, shorter, { state: 'deleted', data: inLead })).toBe(offer);
  });

  it('is not that of a deal brought back when its type has changed', () => {
    const changed = { id: 'p', stages: [{ ...lead, type: 'won' } as Stage, offer, lost] };
    expect(chosenStage(inLead, changed, { state: 'deleted', data: inLead })).toBe(offer);
  });
});

describe('The reason why a deal is lost', () => {
  it('is needed in a lost stage', () => {
    expect(faultOf(() => lostReason(blank, lost, undefined))).toBe('lost_reason');
    expect(lostReason({ ...blank, lost_reason: 'Price' }, lost, undefined)).toBe('Price');
  });

  it('goes with the lost stage, and is refused elsewhere', () => {
    const given = { ...blank, lost_reason: 'Price' };
    expect(lostReason(given, lead, live(given))).toBeNull();
    expect(faultOf(() => lostReason(given, lead, undefined))).toBe('lost_reason');
    expect(faultOf(() => lostReason(given, lead, live(blank)))).toBe('lost_reason');
  });
});

describe('A deal that moves', () => {
  it('remembers how long it was where', () => {
    const first = inStage(blank, 'p', lead, undefined, at(0));
    const second = inStage(first, 'p', offer, first, at(90));
    const third = inStage(second, 'p', lost, second, at(100));
    expect(third.stage_history.map(({ stage_id, seconds }) => [stage_id, seconds])).toEqual([
      ['lead', 90],
      ['offer', 10],
      ['lost', null],
    ]);
    expect(third).toMatchObject({
      status: 'lost',
      stage_entered_at: at(100).toISOString(),
      closed_at: at(100).toISOString(),
    });
    expect(inStage(third, 'p', lead, third, at(200))).toMatchObject({
      status: 'open',
      closed_at: null,
    });
  });

  it('makes no history where it stays', () => {
    const first = inStage(blank, 'p', lead, undefined, at(0));
    expect(inStage(first, 'p', lead, first, at(90))).toEqual(first);
  });

  it('never was anywhere for less than no time, whatever the clocks say', () => {
    const first = inStage(blank, 'p', lead, undefined, at(50));
    expect(inStage(first, 'p', offer, first, at(10)).stage_history).toMatchObject([
      { seconds: 0 },
      { entered_at: at(50).toISOString() },
    ]);
  });

  it('keeps the last 200 stages', () => {
    let data = inStage(blank, 'p', lead, undefined, at(0));
    for (let move = 1; move <= 250; move++) {
      data = inStage(data, 'p', move % 2 === 1 ? offer : lead, data, at(move));
    }
    expect(data.stage_history).toHaveLength(200);
    expect(data.stage_history.at(-1)).toMatchObject({ stage_id: 'lead', left_at: null });
  });
});
