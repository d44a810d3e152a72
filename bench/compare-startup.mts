// How soon a server is ready for requests when the database answers, and its memory when nobody asks.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Line } from './lines.mts';
import { residentMb } from './server.mts';
import type { Starter } from './sides.mts';

const ROUNDS = 5;
const QUIET_MS = 10_000;
const READY_MAX_S = 2;
const MEMORY_MAX_MB = 150;

export async function compareStartup(start: Starter): Promise<Line[]> {
  const ready = { ours: [] as number[], theirs: [] as number[] };
  const memory = { ours: [] as number[], theirs: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const ours = await start.ours();
    const theirs = await start.theirs();
    await sleep(QUIET_MS);
    ready.ours.push(ours.readyMs / 1000);
    ready.theirs.push(theirs.readyMs / 1000);
    memory.ours.push(residentMb(ours));
    memory.theirs.push(residentMb(theirs));
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  const target = { bound: 'at most' as const, ratio: 1 };
  return [
    { name: 'ready, and the bound', unit: 's', ours: ready.ours, theirs: [READY_MAX_S], target },
    { name: 'ready, and the peer', unit: 's', ...ready },
    {
      ...{ name: 'idle memory, and the bound', unit: 'MB', target },
      ...{ ours: memory.ours, theirs: [MEMORY_MAX_MB] },
    },
    { name: 'idle memory, and the peer', unit: 'MB', ...memory },
  ];
}
