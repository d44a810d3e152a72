// What do lists, search and look-ups of a large organization cost? npm run bench:lists
// All kinds of requests are measured in turn, one at a time, so that whatever else the machine does
// hits all of them alike.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Login, run, seed } from './seeded.mts';
import { percentile, startServer } from './server.mts';

const OPTIONS = {
  contacts: { type: 'string', default: '100000' },
  rounds: { type: 'string', default: '300' },
  // An organization that npm run seed has made: nothing is seeded then.
  organization: { type: 'string' },
  email: { type: 'string' },
  password: { type: 'string' },
} as const;
const LIMIT = 50;
const WALK_LIMIT = 200;
const WARM_UP_ROUNDS = 30;
/** One in so many contacts is kept to be looked for. */
const SAMPLE_EVERY = 37;

interface Contact {
  id: string;
  first_name: string;
  last_name: string;
  emails: { value: string }[];
  phones: { value: string }[];
  external_ids: Record<string, string>;
}

interface Page {
  data: Contact[];
  meta: { next_cursor: string | null };
}

class Client {
  private readonly url: string;
  private token = '';

  constructor(url: string) {
    this.url = url;
  }

  async login(login: Login): Promise<void> {
    const answer = (await this.send('/api/auth/login', login)) as {
      data: { access_token: string };
    };
    this.token = answer.data.access_token;
  }

  async send(path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${String(response.status)}: ${text}`);
    return JSON.parse(text);
  }

  list(query: Record<string, string | number>): Promise<Page> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
    return this.send(`/api/v1/contacts?${parameters.toString()}`) as Promise<Page>;
  }
}

/** Walks a whole list. @returns the cursors of its middle and of its last full page, and a sample */
async function walk(client: Client, sort: string) {
  const cursors: string[] = [];
  const sample: Contact[] = [];
  let count = 0;
  const step = async (limit: number): Promise<number | undefined> => {
    const cursor = cursors.at(-1);
    const { data, meta } = await client.list({ sort, limit, ...(cursor ? { cursor } : {}) });
    count += data.length;
    sample.push(...data.filter((_, index) => (count + index) % SAMPLE_EVERY === 0));
    if (meta.next_cursor) cursors.push(meta.next_cursor);
    return meta.next_cursor ? undefined : data.length;
  };
  while ((await step(WALK_LIMIT)) === undefined);
  const middle = cursors[Math.floor(cursors.length / 2)] ?? '';
  // The end again, in smaller steps.
  for (let left = await step(LIMIT); ; left = await step(LIMIT)) {
    if (left === undefined) continue;
    const last = cursors.at(left === LIMIT ? -1 : -2) ?? '';
    return { middle, last, sample, pages: Math.ceil(count / LIMIT) };
  }
}

type Kinds = Record<string, () => Promise<unknown>>;

async function kindsOf(client: Client): Promise<Kinds> {
  const kinds: Kinds = {};
  let sample: Contact[] = [];
  for (const sort of ['-created_at', 'name']) {
    const walked = await walk(client, sort);
    sample = walked.sample;
    const query = { sort, limit: LIMIT };
    kinds[`list ${sort}, first page`] = () => client.list(query);
    kinds[`list ${sort}, page in the middle`] = () =>
      client.list({ ...query, cursor: walked.middle });
    kinds[`list ${sort}, last page`] = () => client.list({ ...query, cursor: walked.last });
  }
  const any = (fits: (contact: Contact) => boolean = () => true) => {
    const fitting = sample.filter(fits);
    return () => fitting[Math.floor(Math.random() * fitting.length)] ?? fail();
  };
  const named = any(({ last_name, first_name }) => last_name.length > 4 && first_name.length > 2);
  const begin = (word: string, length: number) => word.slice(0, length);
  for (const length of [2, 3, 5]) {
    kinds[`search, ${String(length)} characters`] = () =>
      client.list({ q: begin(named().last_name, length), limit: 20 });
  }
  kinds['search, two words'] = () => {
    const { first_name, last_name } = named();
    return client.list({ q: `${begin(first_name, 3)} ${begin(last_name, 4)}`, limit: 20 });
  };
  const [mailed, called, external] = [
    any(({ emails }) => emails.length > 0),
    any(({ phones }) => phones.length > 0),
    any(({ external_ids }) => external_ids.erp !== undefined),
  ];
  kinds['look-up by email'] = () => client.list({ email: mailed().emails[0]?.value ?? '' });
  kinds['look-up by phone'] = () => client.list({ phone: called().phones[0]?.value ?? '' });
  kinds['look-up by external id'] = () =>
    client.list({ external_id: `erp:${external().external_ids.erp ?? ''}` });
  kinds['read by id'] = () => client.send(`/api/v1/contacts/${named().id}`);
  kinds['create'] = () =>
    client.send('/api/v1/contacts', {
      first_name: named().first_name,
      last_name: named().last_name,
      emails: [{ value: `${randomUUID()}@bench.example` }],
      phones: [{ value: `+4930${String(Math.floor(Math.random() * 90_000_000) + 10_000_000)}` }],
    });
  return kinds;
}

function fail(): never {
  throw new Error('The organization has too few contacts to look for');
}

async function measure(kinds: Kinds, rounds: number): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(Object.keys(kinds).map((name) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const [name, request] of Object.entries(kinds)) {
      const begin = performance.now();
      await request();
      if (round >= 0) times.get(name)?.push(performance.now() - begin);
    }
  }
  return times;
}

function print(times: ReadonlyMap<string, number[]>): void {
  console.log('| request | p50 ms | p95 ms |\n| --- | --- | --- |');
  for (const [name, all] of times) {
    const cells = [0.5, 0.95].map((share) => percentile(all, share).toFixed(1));
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
  for (const sort of ['-created_at', 'name']) {
    const at = (page: string, share: number) =>
      percentile(times.get(`list ${sort}, ${page}`) ?? [], share);
    const [p50, p95] = [0.5, 0.95].map((share) =>
      (at('last page', share) / at('first page', share)).toFixed(2),
    );
    console.log(`list ${sort}: last / first page p50 ${p50 ?? ''}, p95 ${p95 ?? ''}`);
  }
}

const { values } = parseArgs({ options: OPTIONS });
const { organization, email, password } = values;
const isSeeded = organization !== undefined && email !== undefined && password !== undefined;
const login = isSeeded
  ? { organization_id: organization, email, password }
  : await seed(values.contacts);
const server = await startServer({ WORKERS: 'off' });
try {
  const client = new Client(server.url);
  await client.login(login);
  print(await measure(await kindsOf(client), Number(values.rounds)));
} finally {
  await server.stop();
}
const verified = await run(['dist/cli/verify.js', '--organization', login.organization_id]);
console.log(verified.output);
