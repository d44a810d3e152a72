// The writes that bare.mts times: what a client sends for them, and how long the server takes.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, inParallel } from './client.mts';
import { batchOf, contact, fileOf, otherNameAndPhone } from './people.mts';
import type { Shape } from './recorded.mts';

export const CONNECTIONS = 16;
const BATCH = 100;

/** A kind of write. */
export interface Write {
  name: string;
  /** Records that are written in a round. */
  count: number;
  shape: Shape;
  /** Whether it is compared with a plain server as well: where each request writes one record. */
  served: boolean;
  /** Writes so many. @returns the ms that they took */
  run: (client: Client, count: number) => Promise<number>;
}

/** A group of writes that are measured on one server. */
export interface Part {
  name: string;
  workers: 'on' | 'off';
  writes: Write[];
}

interface Made {
  id: string;
}

interface Job {
  status: string;
  started_at: string;
  finished_at: string;
  progress: { counts: Record<string, number> };
}

const CREATES = Number(process.env.CREATES ?? 1000);
const BATCHED = Number(process.env.BATCHED ?? 2000);
const ROWS = Number(process.env.ROWS ?? 3000);

/** The ids that a client has created last. */
const latest = new WeakMap<Client, string[]>();

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function create(client: Client, count: number): Promise<number> {
  const ids: string[] = [];
  latest.set(client, ids);
  return timed(() =>
    inParallel(count, CONNECTIONS, async () => {
      const { data } = await client.send<Made>('POST', '/api/v1/contacts', contact());
      ids.push(data.id);
    }),
  );
}

/** Each of those that were created last, once. */
function update(client: Client, count: number): Promise<number> {
  const ids = latest.get(client);
  return timed(() =>
    inParallel(count, CONNECTIONS, (index) =>
      client.send('PATCH', `/api/v1/contacts/${ids?.[index] ?? ''}`, otherNameAndPhone()),
    ),
  );
}

function batch(client: Client, count: number): Promise<number> {
  const bodies = Array.from({ length: count / BATCH }, () => batchOf(BATCH));
  return timed(() =>
    inParallel(bodies.length, CONNECTIONS, async (index) => {
      const path = '/api/v1/contacts/batch';
      const { data } = await client.send<{ status: number }[]>('POST', path, bodies[index]);
      if (data.some(({ status }) => status !== 201)) throw new Error('A record was refused');
    }),
  );
}

/** By the clock of the server, from the first row to the last. */
async function importFile(client: Client, count: number): Promise<number> {
  const { body, type } = await fileOf(count);
  const made = await client.send<Made>('POST', '/api/v1/imports', body, { 'content-type': type });
  for (;;) {
    await sleep(500);
    const { data: job } = await client.send<Job>('GET', `/api/v1/jobs/${made.data.id}`);
    if (job.status === 'queued' || job.status === 'running') continue;
    if (job.progress.counts.created !== count) throw new Error(`It ended ${JSON.stringify(job)}`);
    return Date.parse(job.finished_at) - Date.parse(job.started_at);
  }
}

export const PARTS: Part[] = [
  {
    name: 'requests',
    workers: 'off',
    writes: [
      { name: 'create', count: CREATES, shape: 'many', served: true, run: create },
      { name: 'update', count: CREATES, shape: 'many', served: true, run: update },
      { name: 'batch', count: BATCHED, shape: 'many', served: false, run: batch },
    ],
  },
  {
    // Imports are work in the background: with it comes all other, which puts the changes in order.
    name: 'jobs',
    workers: 'on',
    writes: [{ name: 'import', count: ROWS, shape: 'one', served: false, run: importFile }],
  },
];
