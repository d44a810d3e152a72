// What becomes of a server that is asked for three times what it can do, and of everybody else when
// one organization asks for twenty times its share.
// npm run bench:overload
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { percentile, residentMb, startServer } from './server.mts';

const SECONDS = Number(process.env.DURATION ?? 10);
const GOODPUT_MIN = 0.8;
const LIVE_MAX_MS = 100;
const NOISE_MAX = 1.5;
const ORGANIZATIONS = 10;
/** Of both servers: tokens of the first are good for the second. */
const SECRET = randomBytes(48).toString('base64');

// With a line in the log for every request.
const start = (variables: Record<string, string>) =>
  startServer({ LOG_LEVEL: 'info', JWT_SECRET: SECRET, ...variables }, [], 'ignore');
let server = await start({});

async function newToken(): Promise<string> {
  const response = await fetch(`${server.url}/api/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      organization_id: `org_${randomUUID()}`,
      email: 'a@example.com',
      password: randomUUID(),
    }),
  });
  return ((await response.json()) as { data: { access_token: string } }).data.access_token;
}

/**
 * Reads of one's own user (with the guard, three statements and an answer), of all organizations in
 * turn. In a thread of its own, so that who measures does not wait for who makes the load.
 */
async function load(from: string[], options: Partial<autocannon.Options>) {
  const result = await autocannon({
    url: server.url,
    requests: from.map((token) => ({
      path: '/api/v1/users/me',
      headers: { authorization: `Bearer ${token}` },
    })),
    duration: SECONDS,
    workers: 1,
    ...options,
  });
  return {
    good: result['2xx'] / SECONDS,
    turnedAway: result.non2xx / SECONDS,
    broken: result.errors,
  };
}

/**
 * The same at an even pace, whatever the answers take, timed from when each was due: clients that send
 * what they may at the beginning of every second would be their own noise.
 */
async function readEvenly(from: string[], perSecond: number) {
  const times: number[] = [];
  let turnedAway = 0;
  const read = async (token: string, due: number) => {
    const response = await fetch(`${server.url}/api/v1/users/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.arrayBuffer();
    times.push(performance.now() - due);
    if (!response.ok) turnedAway += 1;
  };
  const reads: Promise<void>[] = [];
  const began = performance.now();
  for (let count = 0; count < perSecond * SECONDS; count++) {
    const due = began + (count * 1000) / perSecond;
    if (due > performance.now()) await sleep(due - performance.now());
    reads.push(read(from[count % from.length] ?? '', due));
  }
  await Promise.all(reads);
  return { p99: percentile(times, 0.99), turnedAway };
}

/** Until told to stop: how long the process takes to say that it is alive. */
async function watchLive(signal: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  while (!signal.aborted) {
    const asked = performance.now();
    const response = await fetch(`${server.url}/health/live`);
    if (!response.ok) throw new Error('The process does not say that it is alive');
    times.push(performance.now() - asked);
    await sleep(100);
  }
  return times;
}

function fail(why: string): void {
  console.error(`MISSED: ${why}`);
  process.exitCode = 1;
}

try {
  const tokens = await Promise.all(Array.from({ length: ORGANIZATIONS }, newToken));
  const [loud = '', ...others] = tokens;
  await load(tokens, { connections: 32, duration: 5 });

  const { good: capacity } = await load(tokens, { connections: 40 });
  const idle = residentMb(server);
  const watch = new AbortController();
  const live = watchLive(watch.signal);
  let peak = 0;
  const memory = setInterval(() => (peak = Math.max(peak, residentMb(server))), 200);
  const flood = await load(tokens, { connections: 600, overallRate: Math.ceil(3 * capacity) });
  clearInterval(memory);
  watch.abort();
  const liveTimes = await live;
  console.table({
    'capacity, requests/s': Math.round(capacity),
    'offered, requests/s': Math.round(flood.good + flood.turnedAway),
    'answered 200, requests/s': Math.round(flood.good),
    'goodput of capacity': (flood.good / capacity).toFixed(2),
    'turned away, requests/s': Math.round(flood.turnedAway),
    broken: flood.broken,
    'alive p50 ms': Math.round(percentile(liveTimes, 0.5)),
    'alive max ms': Math.round(Math.max(...liveTimes)),
    'memory above idle MB': Math.round(peak - idle),
  });
  if (flood.good < GOODPUT_MIN * capacity) fail(`goodput ≥ ${String(GOODPUT_MIN)} of the capacity`);
  if (Math.max(...liveTimes) > LIVE_MAX_MS) fail(`alive within ${String(LIVE_MAX_MS)} ms`);
  await sleep(3000);

  // The others ask for a third of what there is, each for its share of it, which is also the limit of
  // an organization. Then one more asks for twenty times that.
  const rate = Math.floor(capacity / 3);
  const share = Math.ceil(rate / others.length);
  await server.stop();
  server = await start({ RATE_LIMITS: 'on', REQUEST_LIMIT: `${String(share * 2)}/1s` });
  const quiet = () => readEvenly(others, rate);
  await quiet();
  const rows = [];
  for (let round = 0; round < 5; round++) {
    const alone = await quiet();
    const noise = load([loud], {
      connections: 200,
      overallRate: 20 * share,
    });
    const beside = await quiet();
    const noisy = await noise;
    rows.push({
      'p99 alone ms': Math.round(alone.p99),
      'p99 beside ms': Math.round(beside.p99),
      ratio: Number((beside.p99 / alone.p99).toFixed(2)),
      'noisy 200/s': Math.round(noisy.good),
      'noisy turned away/s': Math.round(noisy.turnedAway),
    });
    if (beside.turnedAway > 0) fail('nothing of the others is turned away');
  }
  console.table(rows);
  const ratio = percentile(
    rows.map((row) => row.ratio),
    0.5,
  );
  if (ratio > NOISE_MAX) fail(`p99 of the others ≤ ${String(NOISE_MAX)} of theirs alone`);
} finally {
  await server.stop();
}
