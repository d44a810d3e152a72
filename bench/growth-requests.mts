// What growth.mts asks for: the same of organizations of all sizes.
import { randomUUID } from 'node:crypto';
import { Client } from './client.mts';
import { contact, otherNameAndPhone } from './people.mts';
import type { Login } from './seeded.mts';

const LIMIT = 50;
const SAMPLE_LIMIT = 200;

interface Contact {
  id: string;
  created_at: string;
  last_name: string;
  emails: { value: string }[];
}

/** A request by its name. */
export type Requests = Record<string, () => Promise<unknown>>;

function query(parameters: Record<string, string | number>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) search.set(name, String(value));
  return search.toString();
}

const list = (client: Client, parameters: Record<string, string | number>) =>
  client.send<Contact[]>('GET', `/api/v1/contacts?${query(parameters)}`);

/** The requests of an organization, with some of its contacts to ask for. */
export async function requestsOf(url: string, login: Login): Promise<Requests> {
  const client = new Client(url);
  await client.login(login);
  const { data: newest } = await list(client, { limit: SAMPLE_LIMIT });
  const { data: oldest } = await list(client, { limit: SAMPLE_LIMIT, sort: 'created_at' });
  const sample = [...newest, ...oldest];
  // A page with a bound begins where it would with a cursor, and that needs no walk through a million.
  const last = { created_to: oldest[LIMIT]?.created_at ?? '' };
  const any = (fits: (one: Contact) => boolean) => {
    const fitting = sample.filter(fits);
    if (fitting.length === 0) throw new Error('There are too few contacts to ask for');
    return () => fitting[Math.floor(Math.random() * fitting.length)] ?? fitting[0];
  };
  const named = any(({ last_name }) => last_name.length >= 5);
  const mailed = any(({ emails }) => emails.length > 0);
  const search = (length: number) => () =>
    client.send(
      'GET',
      `/api/v1/search?${query({ q: named()?.last_name.slice(0, length) ?? '', limit: 10 })}`,
    );
  const pipelines = await client.send<{ id: string }[]>('GET', '/api/v1/pipelines');
  const board = `/api/v1/pipelines/${pipelines.data[0]?.id ?? ''}/board`;
  return {
    'list by -created_at, first page': () => list(client, { limit: LIMIT }),
    'list by -created_at, last page': () => list(client, { limit: LIMIT, ...last }),
    'list by name, first page': () => list(client, { limit: LIMIT, sort: 'name' }),
    'search, 2 letters': search(2),
    'search, 5 letters': search(5),
    'look-up by email': () => list(client, { email: mailed()?.emails[0]?.value ?? randomUUID() }),
    'read by id': () => client.send('GET', `/api/v1/contacts/${named()?.id ?? ''}`),
    create: () => client.send('POST', '/api/v1/contacts', contact()),
    update: () =>
      client.send('PATCH', `/api/v1/contacts/${named()?.id ?? ''}`, otherNameAndPhone()),
    'totals of the stages': () => client.send('GET', board),
  };
}
