// What becomes of the cost of a request when an organization grows: as a table, as JSON, as a plot.
import type { TopLevelSpec } from 'vega-lite';
import { keep } from './results.mts';
import { percentile } from './server.mts';

const SHARES = { p50: 0.5, p95: 0.95 } as const;
type Share = keyof typeof SHARES;

/** The times of one kind of request, by the size of the organization. */
export type Growth = Record<string, { size: number; times: readonly number[] }[]>;

interface Point {
  size: number;
  ms: number;
}

/** The k of ms = c · size^k that fits best: 0 costs the same at every size, 1 grows with it. */
export function exponentOf(points: readonly Point[]): number {
  const logs = points.map(({ size, ms }) => ({ x: Math.log(size), y: Math.log(ms) }));
  const mean = (of: (point: { x: number; y: number }) => number) =>
    logs.reduce((sum, point) => sum + of(point), 0) / logs.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  return mean((point) => (point.x - x) * (point.y - y)) / mean((point) => (point.x - x) ** 2);
}

function summaryOf(request: string, measured: Growth[string]) {
  const of = (share: Share) => {
    const points = measured.map(({ size, times }) => ({
      size,
      ms: Number(percentile(times, SHARES[share]).toPrecision(3)),
    }));
    const ratio = (points.at(-1)?.ms ?? 0) / (points[0]?.ms ?? 0);
    return { points, ratio: Number(ratio.toFixed(2)), exponent: exponentOf(points) };
  };
  return { request, p50: of('p50'), p95: of('p95') };
}

type Summary = ReturnType<typeof summaryOf>;

function rowOf({ p50, p95 }: Summary): Record<string, string> {
  const cells = p50.points.map(({ size, ms }, index) => [
    `${size.toLocaleString('en')}: p50, p95`,
    `${String(ms)}, ${String(p95.points[index]?.ms)}`,
  ]);
  return {
    ...(Object.fromEntries(cells) as Record<string, string>),
    'last / first': `${String(p50.ratio)}, ${String(p95.ratio)}`,
    exponent: `${p50.exponent.toFixed(3)}, ${p95.exponent.toFixed(3)}`,
  };
}

function plotOf(title: string, summaries: readonly Summary[]): TopLevelSpec {
  const values = summaries.flatMap((summary) =>
    (Object.keys(SHARES) as Share[]).flatMap((share) => {
      const { points, exponent } = summary[share];
      const panel = `${summary.request} (p95: n^${summary.p95.exponent.toFixed(2)})`;
      return points.map((point) => ({ ...point, share, panel, exponent }));
    }),
  );
  return {
    title: { text: title, anchor: 'start' },
    data: { values },
    facet: { field: 'panel', title: null, sort: values.map(({ panel }) => panel) },
    columns: 3,
    spec: {
      width: 220,
      height: 130,
      mark: { type: 'line', point: true },
      encoding: {
        x: {
          field: 'size',
          type: 'quantitative',
          title: 'contacts',
          scale: { type: 'log' },
          axis: { format: '~s', values: [...new Set(values.map(({ size }) => size))] },
        },
        y: { field: 'ms', type: 'quantitative', title: 'ms', scale: { type: 'log', nice: true } },
        color: { field: 'share', title: null, legend: { orient: 'top' } },
      },
    },
    config: { background: 'white' },
  };
}

/** Prints it, and keeps it as `bench/results/NAME.json` and `NAME.svg`. */
export async function reportGrowth(name: string, title: string, growth: Growth): Promise<void> {
  const summaries = Object.entries(growth).map(([request, times]) => summaryOf(request, times));
  console.log(`\n${title}, ms\n`);
  console.table(Object.fromEntries(summaries.map((one) => [one.request, rowOf(one)])));
  const rounds = Object.values(growth)[0]?.[0]?.times.length;
  await keep(name, title, { rounds, lines: summaries }, plotOf(title, summaries));
}
