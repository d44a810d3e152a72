// What the server adds to the cost of a write: creates, updates, batches and imports through it, at 16
// connections, beside the very statements that they need, sent by a script without a server.
// npm run bench:writes -- --only requests
//
// A server with a recorder keeps the statements of each round, in a keyspace of its own. A server
// without it is timed in another one, in turn with a process that sends the kept statements again, in a
// third one: each conditional write is to have the outcome that it had. Creates and updates are timed on a
// plain server as well, which does nothing with a request but send the next one's statements.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from './client.mts';
import type { Line } from './lines.mts';
import type { Outcome } from './replay.mts';
import { Replayer } from './replayer.mts';
import { report } from './report.mts';
import { PROJECT, residentMb, type Server, startServer } from './server.mts';
import { databaseProcess, Usage } from './usage.mts';
import { CONNECTIONS, type Part, PARTS, type Write } from './writes.mts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const RATIO_MIN = 0.7;
const MEMORY_MAX_MB = 150;
/** Rounds in one before those that are counted: V8 and the database compile what they often run for so long. */
const WARM_UP = 3;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    // Where the profile of the server that is timed is to be left.
    profile: { type: 'string' },
  },
});
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

/** Round 0 is the warm-up. */
const countIn = ({ count }: Write, round: number) => (round > 0 ? count : count * WARM_UP);

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
    // What a write does after its answer is to be in the same file.
    await sleep(500);
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

type Place = { file: string; count: number };

async function bare(replayer: Replayer, { shape }: Write, { file, count }: Place) {
  await replayer.prepare({ file, shape, atOnce: CONNECTIONS });
  const usage = new Usage({ script: replayer.child.pid, database: databasePid });
  const outcome = await replayer.go();
  return { ...usage.end(), rate: (count / outcome.elapsed) * 1000, outcome };
}

/** A server that only sends, and who asks it. */
interface PlainServer {
  replayer: Replayer;
  client: Client;
}

async function startPlain({ name, writes }: Part): Promise<PlainServer | undefined> {
  if (!writes.some(({ served }) => served)) return undefined;
  const replayer = await Replayer.start(`bench_${name}_plain`);
  return { replayer, client: await replayer.serve(CONNECTIONS) };
}

/** The same requests and statements, by a server that does nothing else. */
async function plain({ replayer, client }: PlainServer, write: Write, { file, count }: Place) {
  await replayer.prepare({ file, shape: write.shape, atOnce: CONNECTIONS });
  const pids = { plain: replayer.child.pid, database: databasePid, client: process.pid };
  const usage = new Usage(pids);
  const elapsed = await write.run(client, count);
  const used = usage.end();
  await replayer.outcome();
  return { ...used, rate: (count / elapsed) * 1000 };
}

interface Rounds {
  ours: Awaited<ReturnType<typeof onServer>>[];
  bare: Awaited<ReturnType<typeof bare>>[];
  plain: Awaited<ReturnType<typeof plain>>[];
}

const noRounds = (): Rounds => ({ ours: [], bare: [], plain: [] });

function note(write: Write, { ours, bare, plain }: Rounds, idle: number): void {
  const { name, count } = write;
  const rates = (rounds: readonly { rate: number }[]) => rounds.map(({ rate }) => rate);
  lines.push({
    name: `${name}, contacts`,
    unit: '1/s',
    ours: rates(ours),
    theirs: rates(bare),
    target: { bound: 'at least', ratio: RATIO_MIN },
  });
  if (write.served) {
    const line = `${name}, contacts, and a server that only sends`;
    lines.push({ name: line, unit: '1/s', ours: rates(ours), theirs: rates(plain) });
  }
  const mean = (figures: readonly number[], digits = 2) =>
    (figures.reduce((sum, figure) => sum + figure, 0) / figures.length).toFixed(digits);
  const busy = (rounds: readonly { cpu: Record<string, number>; elapsed: number }[]) =>
    mean(rounds.map(({ cpu, elapsed }) => sum(cpu) / elapsed));
  const ms = <Name extends string>(rounds: readonly { cpu: Record<Name, number> }[], who: Name) =>
    mean(rounds.map(({ cpu }) => cpu[who] / count));
  const each = (of: (outcome: Outcome) => number) =>
    mean(
      bare.map(({ outcome }) => of(outcome) / count),
      1,
    );
  costs[name] = {
    statements: each(({ statements }) => statements),
    conditional: each(({ conditional }) => conditional),
    batches: each(({ batches }) => batches),
    'server ms': ms(ours, 'server'),
    'client ms': ms(ours, 'client'),
    'database ms': ms(ours, 'database'),
    'cores busy': busy(ours),
    'script ms': ms(bare, 'script'),
    'database ms, script': ms(bare, 'database'),
    'cores busy, script': busy(bare),
    'reads that differ': mean(
      bare.map(({ outcome }) => outcome.differing),
      0,
    ),
    ...(write.served && {
      'plain server ms': ms(plain, 'plain'),
      'database ms, plain': ms(plain, 'database'),
      'cores busy, plain': busy(plain),
    }),
  };
  const above = Math.max(...ours.map(({ peak }) => peak)) - idle;
  memory[name] = { 'idle MB': Math.round(idle), 'peak above idle MB': Math.round(above) };
  if (above > MEMORY_MAX_MB) process.exitCode = 1;
}

const sum = (cpu: Record<string, number>) => Object.values(cpu).reduce((a, b) => a + b, 0);

async function compare(part: Part): Promise<void> {
  await record(part);
  const script = await Replayer.start(`bench_${part.name}_script`);
  const plainServer = await startPlain(part);
  const profiling =
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const server = await startIn(`bench_${part.name}_timed`, part, {}, profiling);
  const client = new Client(server.url, CONNECTIONS);
  try {
    await client.register();
    await sleep(3000);
    const idle = residentMb(server);
    for (const replayer of [script, plainServer?.replayer]) {
      await replayer?.prepare({ file: fileAt(part, 0), shape: 'in order', atOnce: 1 });
      await replayer?.go();
    }
    const all = new Map<Write, Rounds>(part.writes.map((write) => [write, noRounds()]));
    let file = 1;
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [write, counted] of all) {
        const rounds = round > 0 ? counted : noRounds();
        const place = { count: countIn(write, round), file: fileAt(part, file++) };
        const sides = [
          async () => rounds.ours.push(await onServer(server, client, write, place.count)),
          async () => rounds.bare.push(await bare(script, write, place)),
          ...(write.served && plainServer
            ? [async () => rounds.plain.push(await plain(plainServer, write, place))]
            : []),
        ];
        // Each comes first, second and last in turn.
        const first = round % sides.length;
        for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
          await sleep(500);
          await side();
        }
      }
    }
    for (const [write, rounds] of all) note(write, rounds, idle);
  } finally {
    client.close();
    plainServer?.client.close();
    await Promise.all([script.stop(), plainServer?.replayer.stop(), server.stop()]);
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
await report(values.only === undefined ? 'writes' : `writes-${values.only}`, title, lines);
