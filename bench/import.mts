// How fast a file is imported, and what the server needs for it: rows/s, and memory above idle.
// ROWS=100000 npm run bench:import
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { showTables } from './database.mts';
import { percentile, residentMb, startServer } from './server.mts';

const ROWS = Number(process.env.ROWS ?? 100_000);
const MEMORY_MAX_MB = 150;

const server = await startServer({ WORKERS: 'on' });

async function call(path: string, options: RequestInit, token?: string) {
  const headers = new Headers(options.headers);
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch(server.url + path, { ...options, headers });
  if (!response.ok) throw new Error(`${path} answered ${await response.text()}`);
  return ((await response.json()) as { data: Record<string, unknown> }).data;
}

async function importFile(token: string, rows: number) {
  const lines = Array.from(
    { length: rows },
    (_, index) =>
      `First${String(index)},Last${String(index)},${randomUUID()}@example.com,+49 30 ${String(1_000_000 + index)},Berlin`,
  );
  const form = new FormData();
  form.set('object', 'contacts');
  form.set(
    'file',
    new Blob([`first name,last name,email,phone,city\n${lines.join('\n')}\n`]),
    'a.csv',
  );
  const began = performance.now();
  const { id } = await call('/api/v1/imports', { method: 'POST', body: form }, token);
  const uploaded = performance.now();
  const memory: number[] = [];
  const reads: number[] = [];
  for (;;) {
    const asked = performance.now();
    const job = await call(`/api/v1/jobs/${String(id)}`, {}, token);
    reads.push(performance.now() - asked);
    memory.push(residentMb(server));
    if (job.status !== 'queued' && job.status !== 'running') {
      const { counts } = job.progress as { counts: Record<string, number> };
      const seconds = (performance.now() - uploaded) / 1000;
      return { status: job.status, counts, upload: uploaded - began, seconds, memory, reads };
    }
    await sleep(200);
  }
}

try {
  const account = { organization_id: `org_${randomUUID()}`, email: 'a@example.com' };
  const signedIn = await call('/api/auth/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...account, password: randomUUID() }),
  });
  const token = String(signedIn.access_token);
  // What is loaded and compiled once is not the memory of an import.
  await importFile(token, 500);
  await sleep(3000);
  const idle = residentMb(server);
  const result = await importFile(token, ROWS);
  const above = Math.max(...result.memory) - idle;
  const at = (share: number) => result.memory[Math.floor(result.memory.length * share)] ?? idle;
  console.table({
    rows: ROWS,
    outcome: `${String(result.status)} ${JSON.stringify(result.counts)}`,
    'upload ms': Math.round(result.upload),
    'rows/s': Math.round(ROWS / result.seconds),
    'idle MB': Math.round(idle),
    'above idle at its beginning, quarters and end, MB': [0, 0.25, 0.5, 0.75, 0.999]
      .map((share) => String(Math.round(at(share) - idle)))
      .join(', '),
    'peak above idle MB': Math.round(above),
    'read meanwhile p50 ms': Math.round(percentile(result.reads, 0.5)),
    'read meanwhile p95 ms': Math.round(percentile(result.reads, 0.95)),
  });
  await showTables();
  if (above > MEMORY_MAX_MB) process.exitCode = 1;
} finally {
  await server.stop();
}
