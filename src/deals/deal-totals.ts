import type { Stage } from '../pipelines/pipeline';
import type { Contribution } from '../records/record-definition';
import { ALL, ownerScope } from '../records/scopes';
import type { DealData, StageVisit } from './deal-data';

/**
 * What deals add to the totals of their pipeline, and how those are read. A total knows the stage of
 * a deal and the probability that is its own, never that of the stage: it is multiplied when read,
 * so that a changed stage counts at once for every deal in it.
 *
 * Each total exists for all deals and for those of each owner: what a caller may see is a choice of
 * the list.
 */
export const boardList = (pipelineId: string, scope: string) => `board:${pipelineId}|${scope}`;
/** `month` is that of the close date: YYYY-MM, or empty for deals without one. */
export const forecastList = (pipelineId: string, month: string, scope: string) =>
  `forecast:${pipelineId}:${month}|${scope}`;
/** `month` is when a deal first came into the stage. */
export const conversionList = (pipelineId: string, month: string, scope: string) =>
  `conversion:${pipelineId}:${month}|${scope}`;

export const monthOf = (date: string) => date.slice(0, 'YYYY-MM'.length);

export function dealTotals(data: DealData): Contribution[] {
  const { pipeline_id: pipelineId, stage_id: stageId, owner_id: owner } = data;
  if (pipelineId === null || stageId === null) return [];
  const own = data.probability === null ? '' : String(data.probability).padStart(3, '0');
  const amount = data.amount ?? 0;
  const currency = data.currency ?? '';
  const month = data.close_date === null ? '' : monthOf(data.close_date);
  const stays = staysOf(data.stage_history);
  return [ALL, ...(owner === null ? [] : [ownerScope(owner)])].flatMap((scope) => [
    {
      list: boardList(pipelineId, scope),
      groups: [stageId, currency, own, '', ''] as const,
      amount,
    },
    {
      list: forecastList(pipelineId, month, scope),
      groups: [stageId, currency, own, owner ?? '', ''] as const,
      amount,
    },
    ...stays.map((stay) => ({
      list: conversionList(stay.pipelineId, stay.month, scope),
      groups: [stay.stageId, stay.next, '', '', ''] as const,
      amount: stay.seconds,
    })),
  ]);
}

/** All that a deal did in one stage, however often it was there. */
interface Stay {
  pipelineId: string;
  stageId: string;
  month: string;
  /** Where it went the last time; empty: nowhere yet. */
  next: string;
  seconds: number;
}

function staysOf(history: readonly StageVisit[]): Stay[] {
  const stays = new Map<string, Stay>();
  history.forEach((visit, index) => {
    const { pipeline_id: pipelineId, stage_id: stageId } = visit;
    const stay = stays.get(stageId) ?? {
      pipelineId,
      stageId,
      month: monthOf(visit.entered_at),
      next: '',
      seconds: 0,
    };
    stay.next = history[index + 1]?.stage_id ?? '';
    stay.seconds += visit.seconds ?? 0;
    stays.set(stageId, stay);
  });
  return [...stays.values()];
}

/** A group of a total, as the store sums it. */
export interface Group {
  groups: readonly [string, string, string, string, string];
  records: number;
  amount: number;
}

export interface MoneySum {
  /** null: deals without an amount. */
  currency: string | null;
  count: number;
  amount: number;
  weighted: number;
}

/** How likely deals of a group are won, in percent, as their stage is now. */
export function percentOf(stage: Stage | undefined, own: string): number {
  if (!stage) return 0;
  if (stage.type !== 'open' || own === '') return stage.probability;
  return Number(own);
}

/** Adds groups of money up, by a key of the caller's and by currency, each weighted by its stage. */
export function sumMoney(
  stages: readonly Stage[],
  parts: readonly (Group & { key: string })[],
): Map<string, MoneySum[]> {
  const stageOf = new Map(stages.map((stage) => [stage.id, stage]));
  const sums = new Map<string, Map<string, ExactSum>>();
  for (const { key, records, amount, groups } of parts) {
    const [stageId, currency, own] = groups;
    const ofKey = sums.get(key) ?? new Map<string, ExactSum>();
    const sum = ofKey.get(currency) ?? { count: 0, amount: 0n, percent: 0n };
    sum.count += records;
    sum.amount += BigInt(amount);
    sum.percent += BigInt(amount) * BigInt(percentOf(stageOf.get(stageId), own));
    sums.set(key, ofKey.set(currency, sum));
  }
  return new Map([...sums].map(([key, ofKey]) => [key, toMoney(ofKey)]));
}

/** Amounts times percents are more than a double can tell apart. */
interface ExactSum {
  count: number;
  amount: bigint;
  percent: bigint;
}

function toMoney(byCurrency: ReadonlyMap<string, ExactSum>): MoneySum[] {
  return [...byCurrency]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([currency, { count, amount, percent }]) => ({
      currency: currency === '' ? null : currency,
      count,
      amount: Number(amount),
      // Rounded once, half up: what is rounded deal by deal does not add up.
      weighted: Number((percent + 50n) / 100n),
    }));
}

export interface StageConversion {
  stage_id: string;
  name: string;
  type: Stage['type'];
  entered: number;
  moved_on: number;
  moved_elsewhere: number;
  lost: number;
  still_there: number;
  average_seconds: number | null;
}

/** What became of the deals that came into each stage. */
export function conversionOf(
  stages: readonly Stage[],
  parts: readonly Group[],
): { stages: StageConversion[]; won: number; lost: number } {
  const stageOf = new Map(stages.map((stage) => [stage.id, stage]));
  const rows = stages.map((stage) => {
    const row = { entered: 0, moved_on: 0, moved_elsewhere: 0, lost: 0, still_there: 0 };
    let seconds = 0;
    for (const { groups, records, amount } of parts) {
      if (groups[0] !== stage.id) continue;
      const outcome = outcomeOf(stage, groups[1], stageOf);
      row.entered += records;
      row[outcome] += records;
      if (outcome !== 'still_there') seconds += amount;
    }
    const gone = row.entered - row.still_there;
    const average = gone === 0 ? null : Math.round(seconds / gone);
    const { id, name, type } = stage;
    return { stage_id: id, name, type, ...row, average_seconds: average };
  });
  const standing = (type: Stage['type']) =>
    rows.reduce((sum, row) => sum + (row.type === type ? row.still_there : 0), 0);
  return { stages: rows, won: standing('won'), lost: standing('lost') };
}

function outcomeOf(stage: Stage, next: string, stageOf: ReadonlyMap<string, Stage>) {
  if (next === '') return 'still_there';
  const to = stageOf.get(next);
  if (to?.type === 'lost') return 'lost';
  if (to && (to.type === 'won' || to.order > stage.order)) return 'moved_on';
  return 'moved_elsewhere';
}
