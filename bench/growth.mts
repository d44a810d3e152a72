// Does a request cost more when its organization grows, or when there are more organizations?
// npm run bench:growth -- --contacts 1000,10000,100000 --organizations 1000
//
// The same requests, one at a time, of organizations of each size in turn; and of an organization of the
// smallest size, alone in its keyspace and among many, in turn as well.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client, inParallel } from './client.mts';
import { type Growth, reportGrowth } from './growth-plot.mts';
import { type Requests, requestsOf } from './growth-requests.mts';
import type { Line } from './lines.mts';
import { report } from './report.mts';
import { type Login, seed } from './seeded.mts';
import { percentile, type Server, startServer } from './server.mts';

const WARM_UP = 30;
/** Parts of the rounds, whose percentiles show how much the figures vary. */
const PARTS = 5;
const SMALL_CONTACTS = 5;
const AT_ONCE = 8;

const { values } = parseArgs({
  options: {
    contacts: { type: 'string', default: '1000,10000,100000' },
    organizations: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '200' },
    // Where to keep how to sign in, so that the next run on the same database finds all that is there.
    logins: { type: 'string' },
  },
});
const sizes = values.contacts.split(',').map(Number);
const [smallest = 1000] = sizes;
const others = Number(values.organizations);
const rounds = Number(values.rounds);

const kept: Record<string, Login> =
  values.logins !== undefined && existsSync(values.logins)
    ? (JSON.parse(readFileSync(values.logins, 'utf8')) as Record<string, Login>)
    : {};

/** What `make` makes, at the first run of all that keep it. */
async function once(name: string, make: () => Promise<Login>): Promise<Login> {
  const login = (kept[name] ??= await make());
  if (values.logins !== undefined) writeFileSync(values.logins, JSON.stringify(kept));
  return login;
}

const seedIn = (keyspace: string, size: number) =>
  once(`${keyspace} ${String(size)}`, () =>
    seed(String(size), { CASSANDRA_KEYSPACE: keyspace, MIGRATE_ON_START: 'on' }),
  );

/** Many organizations with a few contacts each. */
async function addOthers(url: string): Promise<Login> {
  let latest: Login | undefined;
  const items = Array.from({ length: SMALL_CONTACTS }, (_, index) => ({
    data: {
      last_name: `Berger ${String(index)}`,
      emails: [{ value: `${String(index)}@a.example` }],
    },
  }));
  await inParallel(others, AT_ONCE, async () => {
    const client = new Client(url);
    latest = await client.register();
    await client.send('POST', '/api/v1/contacts/batch', { operation: 'create', items });
    client.close();
  });
  if (!latest) throw new Error('There are no others');
  return latest;
}

type Times = Map<string, number[]>;

/** Every request of every target in turn, so that what else the machine does hits all of them alike. */
async function measure(targets: readonly Requests[]): Promise<Times[]> {
  const times = targets.map((): Times => new Map());
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const request of Object.keys(targets[0] ?? {})) {
      for (const [index, requests] of targets.entries()) {
        const began = performance.now();
        await requests[request]?.();
        const took = performance.now() - began;
        if (round < 0) continue;
        const all = times[index]?.get(request) ?? [];
        all.push(took);
        times[index]?.set(request, all);
      }
    }
  }
  return times;
}

function inParts(times: readonly number[], share: number): number[] {
  const size = Math.ceil(times.length / PARTS);
  return Array.from({ length: PARTS }, (_, part) =>
    percentile(times.slice(part * size, (part + 1) * size), share),
  );
}

const servers: Server[] = [];

// Registering is not what is measured: at the lowest cost of a hash it is soon over.
async function startIn(keyspace: string): Promise<string> {
  const variables = { WORKERS: 'off', BCRYPT_COST: '4', CASSANDRA_KEYSPACE: keyspace };
  const server = await startServer(variables);
  servers.push(server);
  return server.url;
}

async function bySize(): Promise<void> {
  const keyspace = 'bench_sizes';
  const logins: Login[] = [];
  for (const size of sizes) logins.push(await seedIn(keyspace, size));
  const url = await startIn(keyspace);
  const targets: Requests[] = [];
  for (const login of logins) targets.push(await requestsOf(url, login));
  const times = await measure(targets);
  const growth: Growth = {};
  for (const request of Object.keys(targets[0] ?? {})) {
    growth[request] = sizes.map((size, index) => ({
      size,
      times: times[index]?.get(request) ?? [],
    }));
  }
  await reportGrowth('growth', 'Requests of organizations of different sizes', growth);
}

async function byNumber(): Promise<void> {
  const targets: Requests[] = [];
  for (const keyspace of ['bench_alone', 'bench_among']) {
    const login = await seedIn(keyspace, smallest);
    const url = await startIn(keyspace);
    if (keyspace === 'bench_among') await once(`${keyspace} others`, () => addOthers(url));
    targets.push(await requestsOf(url, login));
  }
  const [alone, among] = await measure(targets);
  const lines = Object.keys(targets[0] ?? {}).flatMap((request) =>
    [0.5, 0.95].map((share): Line => {
      const of = (times: Times | undefined) => inParts(times?.get(request) ?? [], share);
      const name = `${request}, p${String(share * 100)}`;
      return { name, unit: 'ms', ours: of(among), theirs: of(alone) };
    }),
  );
  const title = `Requests of an organization among ${String(others)} others, compared with it alone`;
  await report('growth-organizations', title, lines);
}

try {
  await bySize();
  await byNumber();
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
