// What is a second API process good for? What one process does on its connections, and what two do on
// as many each, with one database. npm run bench:processes
//
// On a small machine the processes, the database and the load want the same cores. So it is measured
// twice: as it comes, and with a quota of the processor for each API process that leaves the others
// what they need, as machines of their own would.
import { randomBytes } from 'node:crypto';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.mts';
import type { Line } from './lines.mts';
import { contact } from './people.mts';
import { Quota } from './quota.mts';
import { report } from './report.mts';
import type { Login } from './seeded.mts';
import { type Server, startServer } from './server.mts';
import { databaseProcess, Usage } from './usage.mts';

/** To each process: as many as keep it busy. */
const CONNECTIONS = 16;
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SECONDS = Number(process.env.DURATION ?? 4);
/** Cores of each API process, where it has a quota. */
const QUOTA = Number(process.env.QUOTA ?? 0.25);
const RATIO_MIN = 1.6;
const CONTACTS = 200;
/** From this part of what there is on, something is the limit. */
const FULL = 0.9;

const databasePid = databaseProcess();
const ids: string[] = [];
const anyId = () => ids[Math.floor(Math.random() * ids.length)] ?? '';

const requests: Record<string, (client: Client) => Promise<unknown>> = {
  'read own user': (client) => client.send('GET', '/api/v1/users/me'),
  'read a contact': (client) => client.send('GET', `/api/v1/contacts/${anyId()}`),
  'create a contact': (client) => client.send('POST', '/api/v1/contacts', contact()),
};

/** A process, and how it is asked. */
interface Process {
  server: Server;
  client: Client;
}

interface Measured {
  rate: number;
  /** Cores that were busy. */
  busy: { one: number; other: number; database: number; load: number; machine: number };
}

/** Of the whole machine, in ms. */
function machineMs(): number {
  const all = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return all.reduce((sum, one) => sum + one, 0);
}

async function load(
  processes: readonly Process[],
  pids: { one: number; other: number },
  request: (client: Client) => Promise<unknown>,
): Promise<Measured> {
  const usage = new Usage({ ...pids, database: databasePid, load: process.pid });
  const machineBefore = machineMs();
  const until = performance.now() + SECONDS * 1000;
  let done = 0;
  const connection = async (client: Client) => {
    while (performance.now() < until) {
      await request(client);
      done += 1;
    }
  };
  await Promise.all(
    processes.flatMap(({ client }) =>
      Array.from({ length: CONNECTIONS }, () => connection(client)),
    ),
  );
  const { cpu, elapsed } = usage.end();
  const cores = (ms: number) => Number((ms / elapsed).toFixed(2));
  return {
    rate: (done / elapsed) * 1000,
    busy: {
      one: cores(cpu.one),
      other: cores(cpu.other),
      database: cores(cpu.database),
      load: cores(cpu.load),
      machine: cores(machineMs() - machineBefore),
    },
  };
}

function limitOf({ busy }: Measured, quota: number | undefined): string {
  if (quota !== undefined && busy.one >= FULL * quota) return 'the quota of the API processes';
  const ours = busy.one + busy.other + busy.database + busy.load;
  if (busy.machine >= FULL * availableParallelism()) {
    return ours >= FULL * busy.machine ? 'the cores of the machine' : 'other work on the machine';
  }
  if (busy.one >= FULL) return 'the one thread of an API process';
  return 'neither the API processes nor the cores';
}

const lines: Line[] = [];
const table: Record<string, object> = {};

async function compare(all: readonly Process[], quota: number | undefined): Promise<void> {
  const [one, other] = all.map(({ server }) => server.child.pid ?? 0);
  const pids = { one: one ?? 0, other: other ?? 0 };
  for (const [name, request] of Object.entries(requests)) {
    const rates: Record<1 | 2, number[]> = { 1: [], 2: [] };
    // Round 0 is for everything to get warm, and not counted.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const count of [1, 2] as const) {
        const measured = await load(all.slice(0, count), pids, request);
        if (round === 0) continue;
        rates[count].push(measured.rate);
        const share = quota === undefined ? 'no quota' : `${String(quota)} cores each`;
        const { one, other, database, load: client, machine } = measured.busy;
        table[`${name}, ${share}, ${String(count)}`] = {
          '1/s': Math.round(measured.rate),
          'API busy': count === 1 ? one : `${String(one)} ${String(other)}`,
          'database busy': database,
          'load busy': client,
          'machine busy': machine,
          limit: limitOf(measured, quota),
        };
      }
    }
    lines.push({
      name: `${name}, ${quota === undefined ? 'no quota' : `${String(quota)} cores each`}`,
      unit: '1/s',
      ours: rates[2],
      theirs: rates[1],
      ...(quota === undefined ? {} : { target: { bound: 'at least', ratio: RATIO_MIN } }),
    });
  }
}

const secret = randomBytes(48).toString('base64');
const started: Process[] = [];
const quotas: Quota[] = [];

async function start(login?: Login): Promise<Login> {
  const server = await startServer({
    WORKERS: 'off',
    // The same connections are half as many for each of two.
    CONCURRENT_REQUESTS: '0',
    JWT_SECRET: secret,
  });
  const client = new Client(server.url, CONNECTIONS);
  started.push({ server, client });
  if (!login) return client.register();
  await client.login(login);
  return login;
}

try {
  await start(await start());
  const [first] = started;
  while (first && ids.length < CONTACTS) {
    const { data } = await first.client.send<{ id: string }>('POST', '/api/v1/contacts', contact());
    ids.push(data.id);
  }
  await compare(started, undefined);
  for (const [index, { server }] of started.entries()) {
    const quota = Quota.create(`bench-api-${String(index)}`, QUOTA);
    if (quota) quotas.push(quota);
    quota?.limit(server.child.pid ?? 0);
  }
  await sleep(500);
  if (quotas.length === started.length) await compare(started, QUOTA);
  else console.warn('This machine lets nobody have a quota of the processor: only as it comes');
} finally {
  for (const { client } of started) client.close();
  await Promise.all(started.map(({ server }) => server.stop()));
  for (const quota of quotas) quota.remove();
}
console.log('\nCores that were busy in the last round, of', availableParallelism());
console.table(table);
await report('processes', 'Two API processes on one database, compared with one', lines);
