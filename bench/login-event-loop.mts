// Does hashing passwords hold up everybody else? npm run bench
// Eight clients sign in without a pause; meanwhile the delay of the server's event loop and the
// time of another request are measured, and set against the idle server of the same run.
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const CLIENTS = 8;
const SECONDS = 10;
const PORT = 20_000 + Math.floor(Math.random() * 20_000);
const URL = `http://127.0.0.1:${String(PORT)}`;

interface Measured {
  p50: number;
  p99: number;
  max: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'crm-bench-'));
const report = join(scratch, 'event-loop.json');

function percentiles(times: number[]): Measured {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50: at(0.5) ?? 0, p99: at(0.99) ?? 0, max: sorted.at(-1) ?? 0 };
}

async function post(path: string, body: object): Promise<Response> {
  return fetch(`${URL}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** Asks for the own user every 50 ms: a read like any other, with its database work. */
async function probe(until: number, token: string): Promise<number[]> {
  const times: number[] = [];
  while (Date.now() < until) {
    const begin = performance.now();
    const response = await fetch(`${URL}/api/v1/users/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.text();
    if (response.status === 200) times.push(performance.now() - begin);
    await sleep(50);
  }
  return times;
}

async function phase(clients: number, account: object, token: string, server: { pid?: number }) {
  if (server.pid !== undefined) process.kill(server.pid, 'SIGUSR2');
  const until = Date.now() + SECONDS * 1000;
  let logins = 0;
  const load = Array.from({ length: clients }, async () => {
    while (Date.now() < until) {
      const response = await post('/api/auth/login', account);
      await response.text();
      if (response.status === 200) logins++;
    }
  });
  const [times] = await Promise.all([probe(until, token), ...load]);
  await sleep(1100);
  const loop = JSON.parse(readFileSync(report, 'utf8')) as Measured;
  return { logins: logins / SECONDS, loop, read: percentiles(times) };
}

async function run(cost: number): Promise<void> {
  const server = spawn(
    process.execPath,
    ['--require', join(HERE, 'event-loop-probe.cjs'), join(HERE, '..', 'dist', 'main.js')],
    {
      env: {
        ...process.env,
        NODE_ENV: 'test',
        RATE_LIMITS: 'off',
        PORT: String(PORT),
        JWT_SECRET: randomBytes(48).toString('base64'),
        BCRYPT_COST: String(cost),
        LOG_LEVEL: 'warn',
        LOG_FORMAT: 'json',
        EVENT_LOOP_REPORT: report,
      },
      stdio: 'inherit',
    },
  );
  try {
    for (let attempt = 0; attempt < 100; attempt++) {
      const up = await fetch(`${URL}/health`).then(
        (response) => response.ok,
        () => false,
      );
      if (up) break;
      await sleep(300);
    }
    const account = {
      organization_id: `bench_${randomUUID()}`,
      email: 'alice@example.com',
      password: randomUUID(),
    };
    const registered = (await (await post('/api/auth/register', account)).json()) as {
      data: { access_token: string };
    };
    const token = registered.data.access_token;
    await phase(1, account, token, server);
    const idle = await phase(0, account, token, server);
    const busy = await phase(CLIENTS, account, token, server);
    const row = (name: string, { loop, read, logins }: typeof idle) => {
      const cells = [loop.p50, loop.p99, loop.max, read.p50, read.p99].map((n) => n.toFixed(1));
      return `| ${String(cost)} | ${name} | ${logins.toFixed(1)} | ${cells.join(' | ')} |`;
    };
    console.log(row('idle', idle));
    console.log(row(`${String(CLIENTS)} clients`, busy));
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => server.once('exit', resolve));
  }
}

console.log(
  '| cost | load | sign-ins/s | loop p50 ms | loop p99 ms | loop max ms | read p50 ms | read p99 ms |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const cost of [10, 12]) await run(cost);
rmSync(scratch, { recursive: true });
