// Does hashing passwords hold up everybody else? npm run bench:logins
// Eight clients sign in without a pause; meanwhile the delay of the server's event loop and the
// time of another request are measured, and set against the idle server of the same run.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile, PROJECT, type Server, startServer } from './server.mts';

const CLIENTS = 8;
const SECONDS = 10;

interface Measured {
  p50: number;
  p99: number;
  max: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'crm-bench-'));
const report = join(scratch, 'event-loop.json');

function percentiles(times: number[]): Measured {
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: percentile(times, 1) };
}

async function post(url: string, path: string, body: object): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** Asks for the own user every 50 ms: a read like any other, with its database work. */
async function probe(url: string, until: number, token: string): Promise<number[]> {
  const times: number[] = [];
  while (Date.now() < until) {
    const begin = performance.now();
    const response = await fetch(`${url}/api/v1/users/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.text();
    if (response.status === 200) times.push(performance.now() - begin);
    await sleep(50);
  }
  return times;
}

async function phase({ url, child }: Server, clients: number, account: object, token: string) {
  child.kill('SIGUSR2');
  const until = Date.now() + SECONDS * 1000;
  let logins = 0;
  const load = Array.from({ length: clients }, async () => {
    while (Date.now() < until) {
      const response = await post(url, '/api/auth/login', account);
      await response.text();
      if (response.status === 200) logins++;
    }
  });
  const [times] = await Promise.all([probe(url, until, token), ...load]);
  await sleep(1100);
  const loop = JSON.parse(readFileSync(report, 'utf8')) as Measured;
  return { logins: logins / SECONDS, loop, read: percentiles(times) };
}

async function run(cost: number): Promise<void> {
  const server = await startServer({ BCRYPT_COST: String(cost), EVENT_LOOP_REPORT: report }, [
    '--require',
    join(PROJECT, 'bench', 'event-loop-probe.cjs'),
  ]);
  try {
    const account = {
      organization_id: `bench_${randomUUID()}`,
      email: 'alice@example.com',
      password: randomUUID(),
    };
    const registered = (await (await post(server.url, '/api/auth/register', account)).json()) as {
      data: { access_token: string };
    };
    const token = registered.data.access_token;
    await phase(server, 1, account, token);
    const idle = await phase(server, 0, account, token);
    const busy = await phase(server, CLIENTS, account, token);
    const row = (name: string, { loop, read, logins }: typeof idle) => {
      const cells = [loop.p50, loop.p99, loop.max, read.p50, read.p99].map((n) => n.toFixed(1));
      return `| ${String(cost)} | ${name} | ${logins.toFixed(1)} | ${cells.join(' | ')} |`;
    };
    console.log(row('idle', idle));
    console.log(row(`${String(CLIENTS)} clients`, busy));
  } finally {
    await server.stop();
  }
}

console.log(
  '| cost | load | sign-ins/s | loop p50 ms | loop p99 ms | loop max ms | read p50 ms | read p99 ms |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const cost of [10, 12]) await run(cost);
rmSync(scratch, { recursive: true });
