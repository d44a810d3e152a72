// As many requests as go through, on both sides in turn: reads alone, and reads while others sign in.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Line } from './lines.mts';
import { read, signInAgain } from './load.mts';
import type { Side, Sides } from './sides.mts';

const ROUNDS = 5;
const SECONDS = Number(process.env.DURATION ?? 8);
/** Until both servers and the database have compiled what they run. */
const WARM_UP_SECONDS = 2 * SECONDS;
const ME = '/api/v1/users/me';

/** Measures both sides in turn: each figure of each round, for either. */
async function inTurn<Name extends string>(
  sides: Sides,
  names: readonly Name[],
  measure: (side: Side) => Promise<Record<Name, number>>,
): Promise<Record<Name, { ours: number[]; theirs: number[] }>> {
  const entries = names.map((name) => [name, { ours: [], theirs: [] }]);
  const rounds = Object.fromEntries(entries) as Awaited<ReturnType<typeof inTurn<Name>>>;
  for (let round = 0; round < ROUNDS; round++) {
    for (const who of ['ours', 'theirs'] as const) {
      const figures = await measure(sides[who]);
      for (const name of names) rounds[name][who].push(figures[name]);
      // What a client no longer waits for may still be worked on.
      await sleep(1000);
    }
  }
  return rounds;
}

export async function compareReads(sides: Sides): Promise<Line[]> {
  for (const side of [sides.ours, sides.theirs]) await read(side, ME, WARM_UP_SECONDS);
  const { rate, p99 } = await inTurn(sides, ['rate', 'p99'], (side) =>
    read(side, ME, SECONDS).then(({ rate, p99 }) => ({ rate, p99 })),
  );
  return [
    { name: 'read own user', unit: '1/s', ...rate, target: { bound: 'at least', ratio: 1 } },
    { name: 'read own user, p99', unit: 'ms', ...p99, target: { bound: 'at most', ratio: 1 } },
  ];
}

export async function compareStorm(sides: Sides): Promise<Line[]> {
  for (const side of [sides.ours, sides.theirs]) {
    await Promise.all([read(side, ME, 3), signInAgain(side, 3)]);
  }
  const { rate, p99, logins } = await inTurn(sides, ['rate', 'p99', 'logins'], async (side) => {
    const [reads, logins] = await Promise.all([
      read(side, ME, SECONDS),
      signInAgain(side, SECONDS),
    ]);
    return { rate: reads.rate, p99: reads.p99, logins: logins.rate };
  });
  const alone = await inTurn(sides, ['rate'], (side) =>
    signInAgain(side, SECONDS).then(({ rate }) => ({ rate })),
  );
  return [
    { name: 'read own user', unit: '1/s', ...rate, target: { bound: 'at least', ratio: 30 } },
    { name: 'read own user, p99', unit: 'ms', ...p99, target: { bound: 'at most', ratio: 1 / 20 } },
    { name: 'sign-ins', unit: '1/s', ...logins, target: { bound: 'at least', ratio: 1.5 } },
    { name: 'sign-ins, nobody reads', unit: '1/s', ...alone.rate },
  ];
}
