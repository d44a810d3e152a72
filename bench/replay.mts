// The bare cost: sends statements that statement-recorder.cjs has kept, without the server, over a
// client with the settings of the server's. Or as a plain server, which does nothing with a request but read it,
// send the statements of the next one that was recorded, and answer. A process of its own, told by
// replayer.mts what to do.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
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
}

/** `go` sends what was prepared; `serve` does so as a server does, whose port is the answer. */
export type Message = { prepare: Order } | 'go' | 'serve' | 'outcome';

export interface Outcome {
  elapsed: number;
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
let atOnce = 1;
let outcome: Outcome;
/** Of the exchanges, the next one that is answered with. */
let next = 0;

function prepare(order: Order): void {
  const recorded = deserialize(readFileSync(order.file)) as Recorded[];
  exchanges = exchangesOf(recorded, order.shape);
  atOnce = order.atOnce;
  next = 0;
  outcome = {
    ...{ elapsed: 0, statements: 0, conditional: 0, batches: 0 },
    ...{ applied: { recorded: 0, replayed: 0 }, differing: 0, failed: [] },
  };
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

async function replay(): Promise<Outcome> {
  const began = performance.now();
  await inParallel(exchanges.length, atOnce, replayOne);
  outcome.elapsed = performance.now() - began;
  return outcome;
}

async function replayOne(index: number): Promise<void> {
  const exchange = exchanges[index];
  if (!exchange) throw new Error('Nothing is left to be sent');
  await exchange.replay(send);
}

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.once('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString()) as object;
    const index = next++;
    const answer = JSON.stringify({ data: { id: String(index), ...body } });
    void replayOne(index).then(() => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    });
  });
});

async function serve(): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

async function answerTo(message: Message): Promise<unknown> {
  if (typeof message === 'object') {
    prepare(message.prepare);
    return 'prepared';
  }
  if (message === 'serve') return serve();
  return message === 'go' ? replay() : outcome;
}

process.on('message', (message: Message) => {
  void answerTo(message).then((answer) => process.send?.(answer));
});
process.once('disconnect', () => {
  server.close();
  server.closeAllConnections();
  void client.shutdown();
});
await client.connect();
process.send?.('connected');
