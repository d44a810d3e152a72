import { isPassing, type Operation } from './history.mts';
import type { Suffered } from './nemesis.mts';

/** How long after the beginning or the end of a fault nothing is promised of the time it takes. */
export const SETTLING_MS = 10_000;

/** The value that a share of all is not above; 0 where there is none. */
export function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  return lines.join('\n');
}

const count = (operations: readonly Operation[], outcome: string) =>
  String(operations.filter((one) => one.outcome === outcome).length);

export function outcomeTable(operations: readonly Operation[]): string {
  const workloads = [...new Set(operations.map(({ workload }) => workload))].sort();
  return table([
    ['workload', 'operations', 'ok', 'fail', 'unknown', 'retries'],
    ...workloads.map((workload) => {
      const own = operations.filter((one) => one.workload === workload);
      const retries = own.reduce((sum, one) => sum + Math.max(0, one.attempts - 1), 0);
      const counts = ['ok', 'fail', 'unknown'].map((outcome) => count(own, outcome));
      return [workload, String(own.length), ...counts, String(retries)];
    }),
  ]);
}

export function faultTable(suffered: readonly Suffered[]): string {
  const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;
  return table([
    ['fault', 'held', 'healing'],
    ...suffered.map(({ kind, target, beganAt, heldUntil, healedAt }) => [
      `${kind} ${target}`,
      seconds(heldUntil - beganAt),
      seconds(healedAt - heldUntil),
    ]),
  ]);
}

const isSuccess = (one: Operation) =>
  one.outcome === 'ok' || (one.outcome === 'fail' && !isPassing(one));

export interface Figures {
  operations: number;
  successes: number;
  p50: number;
  p99: number;
}

function figuresOf(operations: readonly Operation[]): Figures {
  // Who sends the same write twice at once is told to wait, whatever befalls the cluster.
  const timed = operations.filter(({ workload }) => workload !== 'replays');
  const times = timed.map(({ invokedAt, endedAt }) => endedAt - invokedAt);
  return {
    operations: operations.length,
    successes: operations.filter(isSuccess).length,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
  };
}

const isOneNode = ({ kind }: Suffered) => kind === 'kill node' || kind === 'stop node';

export interface Availability {
  base: Figures;
  /** While one node is bad, from the first moment on. */
  hurt: Figures;
  /** The same without the first seconds: what its times are compared by. */
  steady: Figures;
  /** Each fault of one node by itself, without its first seconds. */
  faults: { name: string; whole: Figures; steady: Figures }[];
}

/** How it went while one node was bad, and while nothing was. */
export function availability(
  operations: readonly Operation[],
  suffered: readonly Suffered[],
  base: { from: number; to: number },
): Availability {
  // A client without a key may not send a write again: there is nothing to say of its retries.
  const repeatable = operations.filter(({ sent }) => sent.method === 'GET' || sent.key !== null);
  const during = (from: number, to: number) =>
    repeatable.filter(({ invokedAt }) => invokedAt >= from && invokedAt < to);
  const faults = suffered.filter(isOneNode).map((fault) => {
    const { beganAt, heldUntil, kind, target } = fault;
    return {
      name: `${kind} ${target}`,
      whole: during(beganAt, heldUntil),
      steady: during(beganAt + SETTLING_MS, heldUntil),
    };
  });
  return {
    base: figuresOf(during(base.from, base.to)),
    hurt: figuresOf(faults.flatMap(({ whole }) => whole)),
    steady: figuresOf(faults.flatMap(({ steady }) => steady)),
    faults: faults.map(({ name, whole, steady }) => ({
      name,
      whole: figuresOf(whole),
      steady: figuresOf(steady),
    })),
  };
}

export function availabilityTable({ base, hurt, steady, faults }: Availability): string {
  const row = (name: string, { operations, successes, p50, p99 }: Figures) => [
    name,
    String(operations),
    operations === 0 ? '-' : `${((100 * successes) / operations).toFixed(2)} %`,
    `${p50.toFixed(0)} ms`,
    `${p99.toFixed(0)} ms`,
  ];
  return table([
    ['', 'operations', 'success', 'p50', 'p99'],
    row('base', base),
    ...faults.flatMap(({ name, whole, steady: later }) => [
      row(name, whole),
      row('  after 10 s', later),
    ]),
    row('one node bad', hurt),
    row('  after 10 s', steady),
  ]);
}
