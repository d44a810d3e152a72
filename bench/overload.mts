// What becomes of a server that is asked for three times what it can do, and of everybody else when
// one organization asks for twenty times its share.
// npm run bench:overload
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { PATH, readElsewhere, readEvenly } from './even-load.mts';
import { startNullServer } from './null-server.mts';
import { percentile, residentMb, startServer } from './server.mts';

const SECONDS = Number(process.env.DURATION ?? 10);
/** Until the server and the database have compiled what they run. */
const WARM_UP_SECONDS = 6 * SECONDS;
/** Of quiet and noise in turn. */
const ROUNDS = 9;
const GOODPUT_MIN = 0.8;
const LIVE_MAX_MS = 100;
const NOISE_MAX = 1.5;
const ORGANIZATIONS = 10;
const CONTACTS = 50;
/** Of both servers: tokens of the first are good for the second. */
const SECRET = randomBytes(48).toString('base64');

// With a line in the log for every request.
const start = (variables: Record<string, string>) =>
  startServer({ LOG_LEVEL: 'info', JWT_SECRET: SECRET, ...variables }, [], 'ignore');
let server = await start({});
const nowhere = await startNullServer();

async function post(path: string, body: object, token?: string): Promise<unknown> {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${await response.text()}`);
  return response.json();
}

/** Of an organization with as many contacts as a page has. */
async function newToken(): Promise<string> {
  const account = {
    organization_id: `org_${randomUUID()}`,
    email: 'a@example.com',
    password: randomUUID(),
  };
  const { data } = (await post('/api/auth/register', account)) as {
    data: { access_token: string };
  };
  const token = data.access_token;
  const items = Array.from({ length: CONTACTS }, (_, index) => ({
    data: {
      last_name: `Berger ${String(index)}`,
      emails: [{ value: `${String(index)}@a.example` }],
    },
  }));
  const made = (await post('/api/v1/contacts/batch', { operation: 'create', items }, token)) as {
    data: { status: number }[];
  };
  if (made.data.some(({ status }) => status !== 201)) throw new Error('No contact was made');
  return token;
}

/**
 * Lists of contacts, of all organizations in turn: how many were answered in a second. In a thread of its
 * own, so that who measures does not wait for who makes the load.
 */
async function load(from: string[], options: Partial<autocannon.Options>) {
  const result = await autocannon({
    url: server.url,
    requests: from.map((token) => ({
      path: PATH,
      headers: { authorization: `Bearer ${token}` },
    })),
    duration: SECONDS,
    workers: 1,
    ...options,
  });
  return result['2xx'] / SECONDS;
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
  // One after the other: a server that has just been started is soon asked for too much.
  const tokens: string[] = [];
  while (tokens.length < ORGANIZATIONS) tokens.push(await newToken());
  const [loud = '', ...others] = tokens;
  await load(tokens, { connections: 40, duration: WARM_UP_SECONDS });

  // What makes the load has the same two cores, so both are measured beside as much of it: at first the
  // excess goes to a server that does nothing, then all of it comes to ours.
  const alone = await load(tokens, { connections: 40 });
  const flood = (url: string, perSecond: number) =>
    readElsewhere({ url, tokens, perSecond, seconds: SECONDS, sockets: 600 });
  const [capacity] = await Promise.all([
    load(tokens, { connections: 40 }),
    flood(nowhere.url, 2 * alone),
  ]);
  const idle = residentMb(server);
  const watch = new AbortController();
  const live = watchLive(watch.signal);
  let peak = 0;
  const memory = setInterval(() => (peak = Math.max(peak, residentMb(server))), 200);
  const flooded = await flood(server.url, 3 * alone);
  clearInterval(memory);
  watch.abort();
  const liveTimes = await live;
  const goodput = flooded.goodInTime / SECONDS;
  console.table({
    'capacity, nothing else going on, requests/s': Math.round(alone),
    'capacity, as much going on elsewhere, requests/s': Math.round(capacity),
    'offered, requests/s': Math.round((flooded.good + flooded.turnedAway) / SECONDS),
    'answered 200, requests/s': Math.round(goodput),
    'goodput of capacity': (goodput / capacity).toFixed(2),
    'turned away, requests/s': Math.round(flooded.turnedAway / SECONDS),
    'alive p50 ms': Math.round(percentile(liveTimes, 0.5)),
    'alive max ms': Math.round(Math.max(...liveTimes)),
    'memory above idle MB': Math.round(peak - idle),
  });
  if (goodput < GOODPUT_MIN * capacity) fail(`goodput ≥ ${String(GOODPUT_MIN)} of the capacity`);
  if (Math.max(...liveTimes) > LIVE_MAX_MS) fail(`alive within ${String(LIVE_MAX_MS)} ms`);
  await sleep(3000);

  // The others ask for a third of what there is, each for its share of it, which is also the limit of
  // an organization. Then one more asks for twenty times that.
  const rate = Math.floor(alone / 3);
  const share = Math.ceil(rate / others.length);
  await server.stop();
  server = await start({ RATE_LIMITS: 'on', REQUEST_LIMIT: `${String(share)}/1s` });
  const even = (tokens: string[], perSecond: number, { url } = server as { url: string }) => ({
    url,
    tokens,
    perSecond,
    seconds: SECONDS,
  });
  const quiet = () => readEvenly(even(others, rate));
  await load(tokens, { url: server.url, connections: 8, duration: WARM_UP_SECONDS });
  const rows = [];
  const times = { silent: [] as number[], beside: [] as number[] };
  const p99s = { silent: [] as number[], beside: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const [silent] = await Promise.all([quiet(), readElsewhere(even([loud], 20 * share, nowhere))]);
    const noise = readElsewhere(even([loud], 20 * share));
    const beside = await quiet();
    const noisy = await noise;
    times.silent.push(...silent.times);
    times.beside.push(...beside.times);
    p99s.silent.push(percentile(silent.times, 0.99));
    p99s.beside.push(percentile(beside.times, 0.99));
    rows.push({
      'p99, noise elsewhere, ms': Math.round(p99s.silent.at(-1) ?? 0),
      'p99, noise here, ms': Math.round(p99s.beside.at(-1) ?? 0),
      'noisy 200/s': Math.round(noisy.good / SECONDS),
      'noisy turned away/s': Math.round(noisy.turnedAway / SECONDS),
    });
    if (beside.turnedAway > 0) fail('nothing of the others is turned away');
  }
  console.table(rows);
  // Medians of the rounds: where the machine stalls, it is for a round, whoever is measured.
  const median = (all: number[]) => percentile(all, 0.5);
  const [silent = 0, beside = 0] = [p99s.silent, p99s.beside].map(median);
  console.table({
    'p99, noise elsewhere, median of the rounds, ms': Math.round(silent),
    'p99, noise here, median of the rounds, ms': Math.round(beside),
    ratio: (beside / silent).toFixed(2),
    'p99 of all rounds together, ratio': (
      percentile(times.beside, 0.99) / percentile(times.silent, 0.99)
    ).toFixed(2),
    'p50, noise elsewhere, ms': median(times.silent).toFixed(1),
    'p50, noise here, ms': median(times.beside).toFixed(1),
  });
  if (beside > NOISE_MAX * silent) fail(`p99 of the others ≤ ${String(NOISE_MAX)} of theirs alone`);
} finally {
  await nowhere.stop();
  await server.stop();
}
