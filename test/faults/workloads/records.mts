import type { ApiClient } from '../api-client.mts';
import { idOf, type Organization, type World } from '../world.mts';

/** Reads a record that others change, too, and changes it; now and then a new one. */
export async function records(
  world: World,
  client: ApiClient,
  organization: Organization,
): Promise<void> {
  const { admin, counters } = organization;
  const { random } = client;
  if (random.chance(0.1)) {
    await world.createContact(client, admin);
    return;
  }
  const id = random.pick(counters as [string, ...string[]]);
  const path = `/api/v1/contacts/${id}`;
  const common = { workload: 'records', path, account: admin } as const;
  const read = await client.send({ ...common, kind: 'read', method: 'GET' });
  if (read.outcome !== 'ok') return;
  const { version } = read.data as { version: number };
  const marker = world.name('m');
  await client.send({
    ...common,
    kind: 'change',
    method: 'PATCH',
    body: { title: marker },
    marker,
    version: random.chance(0.7) ? version : undefined,
    // Without a key, nobody will ever know what became of an unknown one.
    key: random.chance(0.6) ? world.name('key') : undefined,
  });
}

const POOL = 6;

/** Records that want one of a few emails, which others want, too; and give it back. */
export async function uniques(
  world: World,
  client: ApiClient,
  organization: Organization,
): Promise<void> {
  const { admin, id } = organization;
  const email = `pool-${world.tag}-${String(client.random.below(POOL))}@example.com`;
  const marker = world.name('m');
  const common = { workload: 'uniques', account: admin, organization: id } as const;
  const created = await client.send({
    ...common,
    kind: 'create',
    method: 'POST',
    path: '/api/v1/contacts',
    body: { last_name: marker, emails: [{ value: email }] },
    marker,
    key: client.random.chance(0.7) ? world.name('key') : undefined,
  });
  if (created.outcome !== 'ok' || client.random.chance(0.3)) return;
  await client.send({
    ...common,
    kind: 'remove',
    method: 'DELETE',
    path: `/api/v1/contacts/${idOf(created)}`,
    key: world.name('key'),
  });
}

/** One record that two merges want at once. */
export async function merges(
  world: World,
  client: ApiClient,
  { admin }: Organization,
): Promise<void> {
  const tag = world.name('t');
  const other = world.client(`${client.name}/2`);
  const made = await Promise.all([
    world.createContact(client, admin),
    world.createContact(client, admin),
    world.createContact(client, admin, { tags: [tag] }),
  ]);
  if (made.some(({ outcome }) => outcome !== 'ok')) return;
  const [one = '', two = '', loser = ''] = made.map((operation) => idOf(operation));
  const merge = (by: ApiClient, winner: string) =>
    by.send({
      workload: 'merges',
      kind: 'merge',
      method: 'POST',
      path: `/api/v1/contacts/${winner}/merge`,
      body: { loser_ids: [loser] },
      marker: tag,
      key: world.name('key'),
      account: admin,
    });
  await Promise.all(
    client.random.chance(0.5) ? [merge(client, one), merge(other, two)] : [merge(client, one)],
  );
}

/** The same write twice, one after the other or at once: one record, one answer. */
export async function replays(
  world: World,
  client: ApiClient,
  { admin }: Organization,
): Promise<void> {
  const marker = world.name('m');
  const other = world.client(`${client.name}/2`);
  const request = {
    workload: 'replays',
    kind: 'create',
    method: 'POST',
    path: '/api/v1/contacts',
    body: { last_name: marker },
    marker,
    key: world.name('key'),
    account: admin,
  } as const;
  const first = client.send(request);
  if (client.random.chance(0.5)) await first;
  await Promise.all([first, other.send(request)]);
}

/** Somebody of one organization who knows ids of another one. */
export async function strangers(
  world: World,
  client: ApiClient,
  { admin, id }: Organization,
): Promise<void> {
  const theirs = world.organizations.find((one) => one.id !== id);
  if (!theirs) return;
  const record = `/api/v1/contacts/${client.random.pick(theirs.counters as [string, ...string[]])}`;
  const common = { workload: 'strangers', kind: 'intrude', account: admin } as const;
  const marker = world.name('m');
  await client.send({ ...common, method: 'GET', path: record });
  await client.send({ ...common, method: 'GET', path: `${record}/history` });
  const body = { title: marker };
  await client.send({ ...common, method: 'PATCH', path: record, body, marker, key: marker });
  await client.send({ ...common, method: 'GET', path: `/api/v1/users/${theirs.userId}` });
  const listed = { ...common, kind: 'list', method: 'GET' } as const;
  await client.send({ ...listed, path: '/api/v1/contacts?limit=20' });
  await client.send({ ...listed, path: `/api/v1/contacts?limit=20&q=pool` });
}
