// What one operation costs: statements, bytes to and from the database, processor time of the server
// and of the database. Counted, not timed: other work on the machine changes little of it.
// npm run bench:cost
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile, type Server, startServer } from './server.mts';
import { cpuMs, processOn } from './usage.mts';

const ROUNDS = Number(process.env.ROUNDS ?? 200);
const WARM_UP = 50;
const IMPORT_ROWS = Number(process.env.IMPORT_ROWS ?? 5000);
const BATCH = 100;
const host = process.env.CASSANDRA_CONTACT_POINTS?.split(',')[0] ?? '127.0.0.1';
const port = Number(process.env.CASSANDRA_PORT ?? '9042');
const databasePid = processOn(port);

const traffic = { sent: 0, received: 0 };
// Without a pause to gather more: it would be most of the time a statement takes.
const proxy = createServer({ noDelay: true }, (inside) => {
  const outside = connect({ port, host, noDelay: true });
  inside.on('data', (chunk: Buffer) => (traffic.sent += chunk.length));
  outside.on('data', (chunk: Buffer) => (traffic.received += chunk.length));
  inside.pipe(outside).on('error', () => inside.destroy());
  outside.pipe(inside).on('error', () => outside.destroy());
});
await once(proxy.listen(0, '127.0.0.1'), 'listening');

const start = (workers: 'on' | 'off') =>
  startServer({
    WORKERS: workers,
    CASSANDRA_CONTACT_POINTS: '127.0.0.1',
    CASSANDRA_PORT: String((proxy.address() as AddressInfo).port),
  });

interface Figures {
  statements: number;
  conditional: number;
  sent: number;
  received: number;
  serverCpu: number;
  databaseCpu: number;
}

async function figures(server: Server): Promise<Figures> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  let [statements, conditional] = [0, 0];
  for (const line of text.split('\n')) {
    if (!line.startsWith('cassandra_statement_duration_seconds_count')) continue;
    const count = Number(line.slice(line.lastIndexOf(' ') + 1));
    statements += count;
    if (line.includes('kind="lwt"')) conditional += count;
  }
  return {
    statements,
    conditional,
    ...traffic,
    serverCpu: cpuMs(server.child.pid),
    databaseCpu: cpuMs(databasePid),
  };
}

const rows: Record<string, object> = {};

function note(name: string, before: Figures, after: Figures, count: number, times: number[]): void {
  const each = (key: keyof Figures) => (after[key] - before[key]) / count;
  rows[name] = {
    statements: each('statements').toFixed(1),
    conditional: each('conditional').toFixed(1),
    'kB sent': (each('sent') / 1024).toFixed(1),
    'kB received': (each('received') / 1024).toFixed(1),
    'server ms': each('serverCpu').toFixed(2),
    'database ms': each('databaseCpu').toFixed(2),
    ...(times.length > 0 ? { 'p50 ms': percentile(times, 0.5).toFixed(1) } : {}),
  };
}

class Client {
  token = '';
  private readonly server: Server;

  constructor(server: Server) {
    this.server = server;
  }

  async call(method: string, path: string, body?: object, headers: object = {}): Promise<unknown> {
    const response = await fetch(this.server.url + path, {
      method,
      headers: {
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  async measure(name: string, per: number, work: (round: number) => Promise<unknown>) {
    for (let round = 0; round < WARM_UP / per; round++) await work(-1 - round);
    const before = await figures(this.server);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS / per; round++) {
      const began = performance.now();
      await work(round);
      times.push(performance.now() - began);
    }
    note(name, before, await figures(this.server), times.length * per, per > 1 ? [] : times);
  }
}

interface Made {
  data: { id: string };
}

let serial = 0;
function contact() {
  serial += 1;
  return {
    first_name: `Anna${String(serial)}`,
    last_name: `Berger${String(serial % 977)}`,
    emails: [{ value: `${randomUUID()}@example.com` }],
    phones: [{ value: `+4930${String(1_000_000 + serial)}` }],
    address: { city: 'Berlin' },
  };
}

async function requests(server: Server): Promise<void> {
  const client = new Client(server);
  const account = {
    organization_id: `org_${randomUUID()}`,
    email: 'a@example.com',
    password: randomUUID(),
  };
  const signedIn = (await client.call('POST', '/api/auth/register', account)) as {
    data: { access_token: string };
  };
  client.token = signedIn.data.access_token;
  await client.measure('read own user', 1, () => client.call('GET', '/api/v1/users/me'));
  await client.measure('sign in', 1, () => client.call('POST', '/api/auth/login', account));

  const ids: string[] = [];
  const create = async (headers = {}) => {
    const made = await client.call('POST', '/api/v1/contacts', contact(), headers);
    ids.push((made as Made).data.id);
  };
  const some = (round: number) => ids.at(round % ids.length) ?? '';
  await client.measure('create a contact', 1, () => create());
  await client.measure('… with an Idempotency-Key', 1, () =>
    create({ 'idempotency-key': randomUUID() }),
  );
  await client.measure('read a contact', 1, (round) =>
    client.call('GET', `/api/v1/contacts/${some(round)}`),
  );
  await client.measure('change its title', 1, (round) =>
    client.call('PATCH', `/api/v1/contacts/${some(round)}`, { title: `CTO ${String(round)}` }),
  );
  await client.measure('change its name', 1, (round) =>
    client.call('PATCH', `/api/v1/contacts/${some(round)}`, {
      last_name: `Other${String(round + WARM_UP)}`,
    }),
  );
  await client.measure('list 50 contacts', 1, () =>
    client.call('GET', '/api/v1/contacts?limit=50&sort=name'),
  );
  await client.measure('search, 3 letters', 1, () =>
    client.call('GET', '/api/v1/search?q=ann&limit=10'),
  );
  const { data: pipeline } = (await client.call('POST', '/api/v1/pipelines', {
    name: 'Sales',
    stages: [
      { name: 'New', type: 'open', probability: 10 },
      { name: 'Offer', type: 'open', probability: 50 },
      { name: 'Won', type: 'won' },
      { name: 'Lost', type: 'lost' },
    ],
  })) as { data: { id: string; stages: { id: string }[] } };
  const deals: string[] = [];
  await client.measure('create a deal', 1, async () => {
    const deal = { name: 'Deal', pipeline_id: pipeline.id, amount: 1000, currency: 'EUR' };
    deals.push(((await client.call('POST', '/api/v1/deals', deal)) as Made).data.id);
  });
  await client.measure('move it to another stage', 1, (round) =>
    client.call('PATCH', `/api/v1/deals/${deals.at(Math.abs(round) % deals.length) ?? ''}`, {
      stage_id: pipeline.stages[round < 0 ? 0 : 1]?.id,
    }),
  );
  await client.measure('create by batches of 100, each', BATCH, () =>
    client.call('POST', '/api/v1/contacts/batch', {
      operation: 'create',
      items: Array.from({ length: BATCH }, () => ({ data: contact() })),
    }),
  );
  await client.measure('delete a contact', 1, () =>
    client.call('DELETE', `/api/v1/contacts/${ids.pop() ?? ''}`),
  );
}

async function imports(server: Server): Promise<void> {
  const client = new Client(server);
  const signedIn = (await client.call('POST', '/api/auth/register', {
    organization_id: `org_${randomUUID()}`,
    email: 'a@example.com',
    password: randomUUID(),
  })) as { data: { access_token: string } };
  client.token = signedIn.data.access_token;
  const importRows = async (count: number) => {
    const lines = Array.from({ length: count }, () => {
      const { first_name, last_name, emails, phones } = contact();
      return [first_name, last_name, emails[0]?.value, phones[0]?.value, 'Berlin'].join(',');
    });
    const form = new FormData();
    form.set('object', 'contacts');
    const text = `first name,last name,email,phone,city\n${lines.join('\n')}\n`;
    form.set('file', new Blob([text]), 'a.csv');
    const response = await fetch(`${server.url}/api/v1/imports`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${client.token}` },
    });
    const { data } = (await response.json()) as Made;
    for (let status = ''; status !== 'succeeded';) {
      await sleep(200);
      const job = (await client.call('GET', `/api/v1/jobs/${data.id}`)) as {
        data: { status: string };
      };
      ({ status } = job.data);
    }
  };
  await importRows(500);
  await sleep(5000);
  const idleFrom = await figures(server);
  await sleep(10_000);
  const before = await figures(server);
  note('nothing, for a second, with workers', idleFrom, before, 10, []);
  await importRows(IMPORT_ROWS);
  // What follows the changes belongs to them.
  await sleep(2000);
  note('import a contact', before, await figures(server), IMPORT_ROWS, []);
}

const quiet = await start('off');
try {
  await requests(quiet);
} finally {
  await quiet.stop();
}
const busy = await start('on');
try {
  await imports(busy);
} finally {
  await busy.stop();
  proxy.close();
}
console.table(rows);
