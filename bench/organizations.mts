// Does an organization notice how many others there are? Registers many, gives each a few contacts, and
// asks for lists of one of them alone, and of any of them. npm run bench:organizations
import { randomUUID } from 'node:crypto';
import { showTables } from './database.mts';
import { percentile, startServer } from './server.mts';

const ORGANIZATIONS = Number(process.env.ORGANIZATIONS ?? 10_000);
const CONTACTS = 5;
const AT_ONCE = 8;
const ROUNDS = 500;

// Registering is not what is measured: at the lowest cost of a hash it is soon over.
const server = await startServer({ WORKERS: 'on', BCRYPT_COST: '4' });

async function call(method: string, path: string, token: string, body?: object): Promise<unknown> {
  const response = await fetch(server.url + path, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      'content-type': 'application/json',
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${path} answered ${await response.text()}`);
  return response.json();
}

async function newOrganization(): Promise<string> {
  const account = {
    organization_id: `org_${randomUUID()}`,
    email: 'a@example.com',
    password: randomUUID(),
  };
  const { data } = (await call('POST', '/api/auth/register', '', account)) as {
    data: { access_token: string };
  };
  await call('POST', '/api/v1/contacts/batch', data.access_token, {
    operation: 'create',
    items: Array.from({ length: CONTACTS }, (_, index) => ({
      data: {
        last_name: `Berger ${String(index)}`,
        emails: [{ value: `${String(index)}@a.example` }],
      },
    })),
  });
  return data.access_token;
}

async function timed(tokens: string[]): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const token = tokens[Math.floor(Math.random() * tokens.length)] ?? '';
    const began = performance.now();
    await call('GET', '/api/v1/contacts?limit=50', token);
    times.push(performance.now() - began);
  }
  return times;
}

try {
  const first = await newOrganization();
  const tokens = [first];
  await timed(tokens);
  const alone = await timed(tokens);
  const began = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (tokens.length < ORGANIZATIONS) tokens.push(await newOrganization());
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const row = (times: number[]) => ({
    'p50 ms': percentile(times, 0.5).toFixed(1),
    'p95 ms': percentile(times, 0.95).toFixed(1),
  });
  await timed(tokens);
  console.table({
    'of the first, alone': row(alone),
    'of the first, among all': row(await timed([first])),
    'of any, among all': row(await timed(tokens)),
  });
  const rate = Math.round(tokens.length / seconds);
  console.log(`${String(tokens.length)} organizations, ${String(rate)} made a second`);
  await showTables();
} finally {
  await server.stop();
}
