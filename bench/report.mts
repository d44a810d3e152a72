// What a comparison leaves behind: a table on the terminal, the same as JSON, and a plot.
import { loadavg } from 'node:os';
import type { TopLevelSpec } from 'vega-lite';
import type { Line } from './lines.mts';
import { keep } from './results.mts';
import { percentile } from './server.mts';

const THEM = 'compared with';
/** Before this process has made load of its own: what else the machine had to do. */
const [loadBefore] = loadavg();

interface Summary {
  median: number;
  min: number;
  max: number;
}

/** Three digits say all that a measurement of a few seconds can. */
const rounded = (value: number) => Number(value.toPrecision(3));

function summaryOf(rounds: readonly number[]): Summary | null {
  if (rounds.length === 0) return null;
  const [min, max] = [Math.min(...rounds), Math.max(...rounds)];
  return { median: rounded(percentile(rounds, 0.5)), min: rounded(min), max: rounded(max) };
}

function judge(line: Line) {
  const [ours, theirs] = [summaryOf(line.ours), summaryOf(line.theirs)];
  const ratio =
    line.ours.length > 0 && line.theirs.length > 0
      ? percentile(line.ours, 0.5) / percentile(line.theirs, 0.5)
      : null;
  const isMet =
    line.target && ratio !== null
      ? line.target.bound === 'at least'
        ? ratio >= line.target.ratio
        : ratio <= line.target.ratio
      : null;
  return { ...line, summary: { ours, theirs }, ratio: ratio && rounded(ratio), met: isMet };
}

type Judged = ReturnType<typeof judge>;

function cell(summary: Summary | null): string {
  if (!summary) return '';
  const { median, min, max } = summary;
  return min === max ? String(median) : `${String(median)} (${String(min)} to ${String(max)})`;
}

function table(lines: readonly Judged[]): string {
  const rows = lines.map(({ name, unit, summary, ratio, target, met }) => [
    `${name}, ${unit}`,
    cell(summary.ours),
    cell(summary.theirs),
    ratio === null ? '' : String(ratio),
    target ? `${target.bound} ${String(target.ratio)}` : '',
    met === null ? '' : met ? 'yes' : 'NO',
  ]);
  const head = ['median (min to max)', 'ours', THEM, 'ratio', 'target', 'met'];
  const all = [head, head.map(() => '---'), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) => `| ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join(' | ')} |`)
    .join('\n');
}

/** Medians as points, and from the lowest to the highest round as a line; each unit with its own axis. */
function plotOf(title: string, lines: readonly Judged[]): TopLevelSpec {
  const units = [...new Set(lines.map(({ unit }) => unit))];
  return {
    title: { text: title, anchor: 'start' },
    vconcat: units.map((unit) => panelOf(unit, lines)),
    config: { background: 'white' },
  };
}

function panelOf(unit: string, all: readonly Judged[]) {
  const lines = all.filter((line) => line.unit === unit);
  const values = lines.flatMap(({ name, summary: { ours, theirs } }) => [
    ...(ours ? [{ name, side: 'ours', ...ours }] : []),
    ...(theirs ? [{ name, side: THEM, ...theirs }] : []),
  ]);
  // By ratios, as the targets are; a logarithm has no place for 0.
  const type = values.every(({ min }) => min > 0) ? ('log' as const) : ('linear' as const);
  const x = { type: 'quantitative' as const, title: unit, scale: { type } };
  const color = {
    field: 'side',
    title: null,
    scale: { domain: ['ours', THEM], range: ['#1f77b4', '#ff7f0e'] },
    legend: { orient: 'top' as const },
  };
  const y = {
    field: 'name',
    sort: lines.map(({ name }) => name),
    title: null,
    axis: { labelLimit: 400, minExtent: 260, grid: true },
  };
  return {
    data: { values },
    width: 420,
    height: { step: 9, for: 'offset' as const },
    encoding: { y, yOffset: { field: 'side', sort: ['ours', THEM] }, color },
    layer: [
      {
        mark: { type: 'rule' as const, strokeWidth: 2 },
        encoding: { x: { field: 'min', ...x }, x2: { field: 'max' } },
      },
      {
        mark: { type: 'point' as const, filled: true, size: 50, opacity: 1 },
        encoding: { x: { field: 'median', ...x } },
      },
    ],
  };
}

/**
 * Prints what was measured, and keeps it as `bench/results/NAME.json` and `NAME.svg`. A target that
 * is missed ends the process with 1, once all is measured.
 */
export async function report(name: string, title: string, lines: readonly Line[]): Promise<void> {
  const judged = lines.map(judge);
  console.log(`\n${title}\n\n${table(judged)}`);
  const figures = {
    load_before: loadBefore && rounded(loadBefore),
    lines: judged.map((line) => ({
      ...line,
      ours: line.ours.map(rounded),
      theirs: line.theirs.map(rounded),
    })),
  };
  await keep(name, title, figures, plotOf(title, judged));
  if (judged.some(({ met }) => met === false)) process.exitCode = 1;
}
