// What does the server need for exports of a large organization? Memory above idle, and records/s.
// npm run bench:export -- --contacts 20000
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Login, seed } from './seeded.mts';
import { residentMb, startServer } from './server.mts';

const MEMORY_MAX_MB = 150;
const SAMPLE_MS = 20;

const { values } = parseArgs({ options: { contacts: { type: 'string', default: '20000' } } });
const large = await seed(values.contacts);
const small = await seed('200');
const server = await startServer({ WORKERS: 'off' });

async function signIn(login: Login): Promise<string> {
  const response = await fetch(`${server.url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(login),
  });
  const { data } = (await response.json()) as { data: { access_token: string } };
  return data.access_token;
}

/** Reads an export to its end, as it comes. @returns its bytes and its lines */
async function read(token: string, method: string, path: string) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(server.url + path, { method, headers });
  if (!response.ok || !response.body) throw new Error(`${path} answered ${await response.text()}`);
  let bytes = 0;
  let lines = 0;
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    for (const byte of part) if (byte === 10) lines++;
  }
  return { bytes, lines };
}

const kinds = {
  'contacts as CSV': ['GET', '/api/v1/contacts/export', 1],
  'contacts as NDJSON': ['GET', '/api/v1/contacts/export?format=ndjson', 1],
  'the organization': ['POST', '/api/v1/organization/export', 1],
  'the organization, four at once': ['POST', '/api/v1/organization/export', 4],
} as const;

try {
  const warm = await signIn(small);
  const token = await signIn(large);
  // What is loaded and compiled once is not the memory of an export.
  for (const [method, path] of Object.values(kinds)) await read(warm, method, path);
  await sleep(5000);
  const idle = residentMb(server);
  const rows: Record<string, object> = {};
  for (const [name, [method, path, times]] of Object.entries(kinds)) {
    await sleep(3000);
    let peak = 0;
    const sampler = setInterval(() => {
      peak = Math.max(peak, residentMb(server));
    }, SAMPLE_MS);
    const began = performance.now();
    const readers = Array.from({ length: times }, () => read(token, method, path));
    const [first] = await Promise.all(readers);
    const seconds = (performance.now() - began) / 1000;
    clearInterval(sampler);
    const above = peak - idle;
    rows[name] = {
      MB: Number(((first?.bytes ?? 0) / 1024 / 1024).toFixed(1)),
      ...(path.includes('organization') ? {} : { lines: first?.lines }),
      seconds: Number(seconds.toFixed(1)),
      'idle MB': Math.round(idle),
      'peak above idle MB': Math.round(above),
    };
    if (above > MEMORY_MAX_MB) process.exitCode = 1;
  }
  console.table(rows);
} finally {
  await server.stop();
}
