// Where a server spends its time: self time by package, and the functions that take most, of profiles
// that node --cpu-prof has written. node bench/summarize-profile.mts FILE…
import { readFileSync } from 'node:fs';
import { type Attribution, attribute, type Profile } from './profiler.mts';

const SHOWN = 25;

const profiles = process.argv
  .slice(2)
  .map((file) => JSON.parse(readFileSync(file, 'utf8')) as Profile);

function selfTimes(by: Attribution): Map<string, number> {
  const times = new Map<string, number>();
  for (const [name, micros] of profiles.flatMap((profile) => [...attribute(profile, by)])) {
    if (name !== '(idle)') times.set(name, (times.get(name) ?? 0) + micros / 1000);
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

print(selfTimes('package'));
print(selfTimes('function'));
