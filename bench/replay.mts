// The bare cost: sends statements that statement-recorder.cjs has kept, without the server, over a
// client with the settings of the server's. A process of its own, told by bare.mts what to do.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { deserialize } from 'node:v8';
import type { Client, types } from 'cassandra-driver';
import { inParallel } from './client.mts';
import {
  type Exchange,
  exchangesOf,
  isConditional,
  type Recorded,
  type Shape,
} from './recorded.mts';
import { PROJECT } from './server.mts';

/** What to send, and how many requests at a time. */
export interface Order {
  file: string;
  shape: Shape;
  atOnce: number;
  /** How long the process is to be busy with each request, in ms, as a server would be. */
  busyMs: number;
}

export interface Outcome {
  elapsed: number;
  requests: number;
  statements: number;
  conditional: number;
  batches: number;
  /** Conditional writes that were applied: when they were recorded, and now. */
  applied: { recorded: number; replayed: number };
  /** Reads that have found another number of rows than when they were recorded. */
  differing: number;
  failed: string[];
}

const load = createRequire(join(PROJECT, 'dist', 'main.js')) as (path: string) => unknown;
const { loadConfig } = load('./config/app-config.js') as {
  loadConfig: () => { cassandra: { keyspace: string } };
};
const { createClient } = load('./cassandra/client.js') as {
  createClient: (config: object, keyspace: string) => Client;
};

const { cassandra: config } = loadConfig();
const client = createClient(config, config.keyspace);
let exchanges: Exchange[] = [];
let order: Order | undefined;
let outcome: Outcome;

function prepare(next: Order): void {
  order = next;
  const recorded = deserialize(readFileSync(next.file)) as Recorded[];
  exchanges = exchangesOf(recorded, next.shape);
}

async function send(call: Recorded): Promise<void> {
  const { isBatch, statements, options } = call;
  try {
    const result: types.ResultSet = isBatch
      ? await client.batch(statements, options)
      : await client.execute(statements[0]?.query ?? '', statements[0]?.params, options);
    note(call, result);
  } catch (error) {
    outcome.failed.push(`${statements[0]?.query ?? ''}: ${String(error)}`);
  }
}

function note(call: Recorded, result: types.ResultSet): void {
  outcome.statements++;
  if (call.isBatch) outcome.batches++;
  if (isConditional(call)) {
    outcome.conditional++;
    if (call.applied) outcome.applied.recorded++;
    if (result.wasApplied()) outcome.applied.replayed++;
  } else if (call.rows !== result.rowLength) {
    outcome.differing++;
  }
  if (call.failed !== undefined) outcome.failed.push(`when recorded: ${call.failed}`);
}

async function replay({ atOnce, busyMs }: Order): Promise<Outcome> {
  outcome = {
    ...{ elapsed: 0, requests: exchanges.length, statements: 0, conditional: 0, batches: 0 },
    ...{ applied: { recorded: 0, replayed: 0 }, differing: 0, failed: [] },
  };
  const began = performance.now();
  await inParallel(exchanges.length, atOnce, async (index) => {
    const until = performance.now() + busyMs;
    while (performance.now() < until);
    await exchanges[index]?.replay(send);
  });
  outcome.elapsed = performance.now() - began;
  exchanges = [];
  return outcome;
}

function fail(): never {
  throw new Error('Nothing was prepared');
}

process.on('message', (message: { prepare: Order } | 'go') => {
  if (message === 'go') {
    if (!order) fail();
    void replay(order).then((result) => process.send?.(result));
  } else {
    prepare(message.prepare);
    process.send?.('prepared');
  }
});
process.once('disconnect', () => {
  void client.shutdown();
});
await client.connect();
process.send?.('connected');
