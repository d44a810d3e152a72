// Lists, search and look-ups of a large organization, each against the plain list of the peer: one
// request at a time, all kinds in turn and both sides in turn, so that whatever else the machine does
// hits all of them alike; in another order each time, so that what comes as regularly as collected
// garbage does not meet the same kind again and again.
import { Client } from './client.mts';
import { Census, listPath, PAGE, SORTS, walk } from './contact-lists.mts';
import type { Line } from './lines.mts';
import type { ContactBody, PlainData } from './plain.mts';
import type { Login } from './seeded.mts';
import { percentile } from './server.mts';
import type { Sides } from './sides.mts';

const ROUNDS = 5;
const REQUESTS = 150;
const WARM_UP = 40;
const LIST_MAX = 1.5;
const LAST_PAGE_MAX = 1.3;
const LOOK_UP_MAX = 2;
const TOTAL_MAX = 1.5;

/** A kind of request: how to make the path of the next one, and what its time may be. */
interface Kind {
  path: () => string;
  most: number;
}

type Kinds = Map<string, Kind>;

/** What the lists are asked with, once they have been walked. */
export interface Large {
  client: Client;
  peer: Client;
  pages: Kinds;
  census: Census;
}

/** Walks all lists of the organization, and copies its contacts to the peer. */
export async function openLarge(sides: Sides, data: PlainData, login: Login): Promise<Large> {
  const [client, peer] = [new Client(sides.ours.server.url), new Client(sides.theirs.server.url)];
  await client.login(login);
  await peer.login(data.login);
  const census = new Census();
  const pages: Kinds = new Map();
  for (const sort of SORTS) {
    const isFirst = sort === SORTS[0];
    const { middle, last } = await walk(client, sort, async (page) => {
      if (!isFirst) return;
      census.add(page);
      await data.add(page);
    });
    const query = { sort, limit: PAGE };
    const add = (page: string, path: string) =>
      pages.set(`${sort}, ${page} page`, { path: () => path, most: LIST_MAX });
    add('first', listPath(query));
    add('middle', listPath({ ...query, cursor: middle }));
    add('last', listPath({ ...query, cursor: last }));
  }
  const bytes = async (side: Client) => {
    const { data } = await side.send<ContactBody[]>('GET', listPath({ limit: PAGE }));
    return Buffer.byteLength(JSON.stringify(data)).toLocaleString('en');
  };
  console.log(`A list has ${await bytes(client)} bytes, the peer's ${await bytes(peer)}`);
  return { client, peer, pages, census };
}

async function timed(client: Client, path: string, times: number[]): Promise<void> {
  const began = performance.now();
  await client.send('GET', path);
  times.push(performance.now() - began);
}

function inAnyOrder<T>(items: Iterable<T>): T[] {
  const places = [...items].map((item) => ({ item, place: Math.random() }));
  return places.sort((a, b) => a.place - b.place).map(({ item }) => item);
}

/** The 95th percentile of every round, of each kind and of the plain list that was asked for between. */
async function measure({ client, peer }: Large, kinds: Kinds) {
  const plain = listPath({});
  const ours = new Map<string, number[]>([...kinds.keys()].map((name) => [name, []]));
  const theirs: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const times = new Map<string, number[]>([...kinds.keys()].map((name) => [name, []]));
    const plainTimes: number[] = [];
    for (let request = 0; request < (round < 0 ? WARM_UP : REQUESTS); request++) {
      for (const [name, { path }] of inAnyOrder(kinds)) {
        await timed(client, path(), times.get(name) ?? []);
        await timed(peer, plain, plainTimes);
      }
    }
    if (round < 0) continue;
    for (const [name, all] of times) ours.get(name)?.push(percentile(all, 0.95));
    theirs.push(percentile(plainTimes, 0.95));
  }
  return { ours, theirs };
}

function linesOf(kinds: Kinds, { ours, theirs }: Awaited<ReturnType<typeof measure>>): Line[] {
  return [...kinds].map(([name, { most }]) => ({
    ...{ name: `${name}, p95`, unit: 'ms', ours: ours.get(name) ?? [], theirs },
    target: { bound: 'at most', ratio: most },
  }));
}

export async function compareLists(large: Large): Promise<Line[]> {
  const measured = await measure(large, large.pages);
  const rounds = (name: string) => measured.ours.get(name) ?? [];
  return [
    ...linesOf(large.pages, measured),
    ...SORTS.map((sort): Line => ({
      ...{ name: `${sort}, last page, and its first, p95`, unit: 'ms' },
      ...{ ours: rounds(`${sort}, last page`), theirs: rounds(`${sort}, first page`) },
      target: { bound: 'at most', ratio: LAST_PAGE_MAX },
    })),
  ];
}

async function accepts(client: Client, path: string): Promise<boolean> {
  return client.send('GET', path).then(
    () => true,
    () => false,
  );
}

export async function compareSearches(large: Large): Promise<Line[]> {
  const { client, census } = large;
  const kinds: Kinds = new Map();
  for (const { letters, frequent, rare } of census.terms()) {
    for (const [what, term] of Object.entries({ frequent, rare })) {
      const path = `/api/v1/search?q=${term}&limit=10`;
      if (!(await accepts(client, path))) {
        console.error(`Refused: a typeahead of ${String(letters)}, "${term}"`);
        continue;
      }
      const name = `typeahead "${term}" (${String(letters)}, ${what})`;
      kinds.set(name, { path: () => path, most: LOOK_UP_MAX });
    }
  }
  const mailed = census.any(({ emails }) => emails.length > 0);
  const called = census.any(({ phones }) => phones.length > 0);
  const external = census.any(({ external_ids }) => external_ids.erp !== undefined);
  const lookUp = (what: string, query: () => Record<string, string>) =>
    kinds.set(`by ${what}`, { path: () => listPath(query()), most: LOOK_UP_MAX });
  lookUp('email', () => ({ email: mailed().emails[0]?.value ?? '' }));
  lookUp('phone', () => ({ phone: called().phones[0]?.value ?? '' }));
  lookUp('external id', () => ({ external_id: `erp:${external().external_ids.erp ?? ''}` }));
  const { data: pipelines } = await client.send<{ id: string }[]>('GET', '/api/v1/pipelines');
  const board = `/api/v1/pipelines/${pipelines[0]?.id ?? ''}/board`;
  kinds.set('totals of all stages', { path: () => board, most: TOTAL_MAX });
  return linesOf(kinds, await measure(large, kinds));
}

/** The organization is closed: what was asked with lets go of its connections. */
export function closeLarge({ client, peer }: Large): void {
  client.close();
  peer.close();
}
