// What a benchmark leaves behind: its figures as JSON, with where they are from, and a plot of them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parse, View } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import { compile } from 'vega-lite';
import { databaseVersion } from './database.mts';
import { PROJECT } from './server.mts';

const RESULTS = join(PROJECT, 'bench', 'results');

/** As `bench/results/NAME.json` and `NAME.svg`. */
export async function keep(
  name: string,
  title: string,
  figures: object,
  plot: TopLevelSpec,
): Promise<void> {
  mkdirSync(RESULTS, { recursive: true });
  const result = {
    title,
    date: new Date().toISOString(),
    node: process.version,
    cassandra: await databaseVersion(),
    cpus: availableParallelism(),
    ...figures,
  };
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  const view = new View(parse(compile(plot).spec), { renderer: 'none' });
  writeFileSync(join(RESULTS, `${name}.svg`), await view.toSVG());
  view.finalize();
}
