// What the server adds to the cost of a write: creates, updates, batches and imports through it, at 16
// connections, beside the very statements that they need, sent by a script without a server.
// npm run bench:writes -- --only requests
//
// A server with a recorder keeps the statements of each round, in a keyspace of its own. A server
// without it is timed in another one, in turn with a process that sends the kept statements again,
// in a third one: each conditional write is to have the outcome that it had.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from './client.mts';
import type { Line } from './lines.mts';
import type { Order, Outcome } from './replay.mts';
import { report } from './report.mts';
import { run } from './seeded.mts';
import { PROJECT, residentMb, type Server, startServer } from './server.mts';
import { databaseProcess, Usage } from './usage.mts';
import { CONNECTIONS, type Part, PARTS, type Write } from './writes.mts';

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const RATIO_MIN = 0.7;
const MEMORY_MAX_MB = 150;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    // Where the profile of the server that is timed is to be left.
    profile: { type: 'string' },
    // How long the script is to be busy with each request, in ms, as the server is.
    busy: { type: 'string', default: '0' },
  },
});
const busyMs = Number(values.busy);
const scratch = mkdtempSync(join(tmpdir(), 'crm-bench-'));
const databasePid = databaseProcess();
const lines: Line[] = [];
const costs: Record<string, object> = {};
const memory: Record<string, object> = {};

const startIn = (keyspace: string, { workers }: Part, more: object, nodeArgs: string[]) =>
  startServer(
    {
      WORKERS: workers,
      CASSANDRA_KEYSPACE: keyspace,
      // Of one organization as many as there are connections; batches are slow, and no news.
      CONCURRENT_REQUESTS: '0',
      SLOW_REQUEST_MS: '600000',
      ...more,
    },
    nodeArgs,
  );

/** Round 0 is for everything to get warm, and not counted. */
const countIn = ({ count }: Write, round: number) =>
  round > 0 ? count : Math.ceil(count / 3 / 100) * 100;

/** Where the statements of a round are kept. The first file has those of the start. */
const fileAt = (part: Part, index: number) => join(scratch, `${part.name}.${String(index)}`);

async function record(part: Part): Promise<void> {
  const server = await startIn(
    `bench_${part.name}_recorded`,
    part,
    { STATEMENT_RECORD: join(scratch, part.name) },
    ['--require', join(PROJECT, 'bench', 'statement-recorder.cjs')],
  );
  const client = new Client(server.url, CONNECTIONS);
  let files = 0;
  const keep = async () => {
    server.child.kill('SIGUSR2');
    while (!existsSync(fileAt(part, files))) await sleep(20);
    files += 1;
  };
  try {
    await client.register();
    await sleep(1000);
    await keep();
    for (let round = 0; round <= ROUNDS; round++) {
      for (const write of part.writes) {
        await write.run(client, countIn(write, round));
        await keep();
      }
    }
  } finally {
    client.close();
    await server.stop();
  }
}

/** The process that sends statements without a server. */
class Replayer {
  readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.ended = once(child, 'exit');
  }

  static async start(keyspace: string): Promise<Replayer> {
    const env = { ...process.env, CASSANDRA_KEYSPACE: keyspace };
    const child = fork(join(PROJECT, 'bench', 'replay.mts'), { env });
    const replayer = new Replayer(child);
    await replayer.answer();
    return replayer;
  }

  async prepare(order: Order): Promise<void> {
    this.child.send({ prepare: order });
    await this.answer();
  }

  /** @throws Error where anything came out otherwise than when it was recorded */
  async go(): Promise<Outcome> {
    this.child.send('go');
    const outcome = (await this.answer()) as Outcome;
    const { applied, failed } = outcome;
    if (failed.length > 0) throw new Error(`Statements failed: ${failed.slice(0, 5).join('\n')}`);
    if (applied.recorded !== applied.replayed) {
      throw new Error(`Other conditional writes were applied: ${JSON.stringify(applied)}`);
    }
    return outcome;
  }

  async stop(): Promise<void> {
    this.child.disconnect();
    await this.ended;
  }

  private async answer(): Promise<unknown> {
    const answered = once(this.child, 'message') as Promise<unknown[]>;
    const [message] = await Promise.race([answered, this.ended.then(() => [])]);
    if (message === undefined) throw new Error('The process that sends statements has ended');
    return message;
  }
}

/** One round of one write on the server. @returns what it took, by record */
async function onServer(server: Server, client: Client, write: Write, count: number) {
  const pids = { server: server.child.pid, database: databasePid, client: process.pid };
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, residentMb(server))), 50);
  const usage = new Usage(pids);
  const elapsed = await write.run(client, count).finally(() => {
    clearInterval(sampler);
  });
  return { ...usage.end(), rate: (count / elapsed) * 1000, peak };
}

async function bare(replayer: Replayer, write: Write, count: number, file: string) {
  await replayer.prepare({ file, shape: write.shape, atOnce: CONNECTIONS, busyMs });
  const usage = new Usage({ script: replayer.child.pid, database: databasePid });
  const outcome = await replayer.go();
  return { ...usage.end(), rate: (count / outcome.elapsed) * 1000, outcome };
}

type Rounds = {
  ours: Awaited<ReturnType<typeof onServer>>;
  theirs: Awaited<ReturnType<typeof bare>>;
}[];

function note(write: Write, rounds: Rounds, idle: number): void {
  const { name, count } = write;
  lines.push({
    name: `${name}, contacts`,
    unit: '1/s',
    ours: rounds.map(({ ours }) => ours.rate),
    theirs: rounds.map(({ theirs }) => theirs.rate),
    // A script that is busy is there for the explanation.
    ...(busyMs > 0 ? {} : { target: { bound: 'at least', ratio: RATIO_MIN } }),
  });
  const mean = (of: (round: Rounds[number]) => number, digits = 2) =>
    (rounds.reduce((sum, round) => sum + of(round), 0) / rounds.length).toFixed(digits);
  costs[name] = {
    statements: mean(({ theirs }) => theirs.outcome.statements / count, 1),
    conditional: mean(({ theirs }) => theirs.outcome.conditional / count, 1),
    batches: mean(({ theirs }) => theirs.outcome.batches / count, 1),
    'server ms': mean(({ ours }) => ours.cpu.server / count),
    'client ms': mean(({ ours }) => ours.cpu.client / count),
    'database ms': mean(({ ours }) => ours.cpu.database / count),
    'script ms': mean(({ theirs }) => theirs.cpu.script / count),
    'database ms, bare': mean(({ theirs }) => theirs.cpu.database / count),
    'cores busy': mean(({ ours: { cpu, elapsed } }) => sum(cpu) / elapsed),
    'cores busy, bare': mean(({ theirs: { cpu, elapsed } }) => sum(cpu) / elapsed),
    'reads that differ': mean(({ theirs }) => theirs.outcome.differing, 0),
  };
  const above = Math.max(...rounds.map(({ ours }) => ours.peak)) - idle;
  memory[name] = { 'idle MB': Math.round(idle), 'peak above idle MB': Math.round(above) };
  if (above > MEMORY_MAX_MB) process.exitCode = 1;
}

const sum = (cpu: Record<string, number>) => Object.values(cpu).reduce((a, b) => a + b, 0);

async function compare(part: Part): Promise<void> {
  await record(part);
  const replayed = `bench_${part.name}_replayed`;
  const migrated = await run(['dist/cli/migrate.js'], { CASSANDRA_KEYSPACE: replayed });
  if (migrated.code !== 0) throw new Error(migrated.output);
  const replayer = await Replayer.start(replayed);
  const profiling =
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const server = await startIn(`bench_${part.name}_timed`, part, {}, profiling);
  const client = new Client(server.url, CONNECTIONS);
  try {
    await client.register();
    await replayer.prepare({ file: fileAt(part, 0), shape: 'in order', atOnce: 1, busyMs: 0 });
    await replayer.go();
    const all = new Map<Write, Rounds>(part.writes.map((write) => [write, []]));
    let file = 1;
    let idle = 0;
    for (let round = 0; round <= ROUNDS; round++) {
      for (const write of part.writes) {
        const count = countIn(write, round);
        const kept = fileAt(part, file++);
        const replay = () => bare(replayer, write, count, kept);
        const before = round % 2 === 1 ? await replay() : undefined;
        await sleep(500);
        const ours = await onServer(server, client, write, count);
        await sleep(500);
        const theirs = before ?? (await replay());
        if (round > 0) all.get(write)?.push({ ours, theirs });
      }
      if (round > 0) continue;
      await sleep(3000);
      idle = residentMb(server);
    }
    for (const [write, rounds] of all) note(write, rounds, idle);
  } finally {
    client.close();
    await Promise.all([replayer.stop(), server.stop()]);
  }
}

try {
  for (const part of PARTS) {
    if (values.only === undefined || values.only === part.name) await compare(part);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
console.table(costs);
console.table(memory);
const title = `Writes of contacts at ${String(CONNECTIONS)} connections, and their statements without a server`;
const parts = ['writes', values.only, busyMs > 0 ? 'busy' : undefined];
await report(parts.filter((part) => part !== undefined).join('-'), title, lines);
