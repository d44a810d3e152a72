// Where a server spends its time: self time by package, and the functions that take most, of profiles
// that node --cpu-prof has written. node bench/summarize-profile.mts FILE…
import { readFileSync } from 'node:fs';

const SHOWN = 25;

interface Profile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  samples: number[];
  timeDeltas: number[];
}

type Frame = Profile['nodes'][number]['callFrame'];

/** The package of a frame, the folder of the product, or what Node calls it, e.g. `(garbage collector)`. */
function packageOf({ functionName, url }: Frame): string {
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
  if (name !== undefined) return name;
  const [, folder] = /\/dist\/([^/]+)/.exec(url) ?? [];
  if (folder !== undefined) return `dist/${folder}`;
  if (url.startsWith('node:')) return url.split('/')[0] ?? url;
  return functionName.startsWith('(') ? functionName : '(native)';
}

function functionOf(frame: Frame): string {
  const file = frame.url.replace(/^.*\/(node_modules|dist)\//, '');
  return `${frame.functionName || '(anonymous)'} ${file}:${String(frame.lineNumber + 1)}`;
}

function selfTimes(files: readonly string[], nameOf: (frame: Frame) => string) {
  const times = new Map<string, number>();
  for (const file of files) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    for (const [index, id] of samples.entries()) {
      const frame = frames.get(id);
      if (!frame || frame.functionName === '(idle)') continue;
      const name = nameOf(frame);
      times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0) / 1000);
    }
  }
  return times;
}

function print(times: ReadonlyMap<string, number>): void {
  const total = [...times.values()].reduce((sum, ms) => sum + ms, 0);
  const rows = [...times].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
  console.table(
    Object.fromEntries(
      rows.map(([name, ms]) => [
        name,
        { ms: Math.round(ms), share: `${((100 * ms) / total).toFixed(1)} %` },
      ]),
    ),
  );
}

const files = process.argv.slice(2);
print(selfTimes(files, packageOf));
print(selfTimes(files, functionOf));
