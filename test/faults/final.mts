import { setTimeout as sleep } from 'node:timers/promises';
import cassandra from 'cassandra-driver';
import type { EventBody, Final, RecordBody, UserBody } from './observed.mts';
import { runProgram, type Variables } from './servers.mts';
import type { Organization, World } from './world.mts';

const SHARDS = 4;
const PAGE = 200;
/** Reads at once. */
const READERS = 6;

/**
 * Sends what nobody knows the end of again, under its key, until it is known.
 * @returns how many are left
 */
export async function settle(world: World, limitMs: number): Promise<number> {
  const client = world.client('settler');
  let open = world.takeOpen();
  for (const end = Date.now() + limitMs; open.length > 0 && Date.now() < end;) {
    for (const request of open) await client.send(request);
    open = world.takeOpen();
    if (open.length > 0) await sleep(1000);
  }
  return open.length;
}

/** Waits until the sweepers of all shards have been beyond a moment. */
export async function swept(variables: Variables, until: Date, limitMs: number): Promise<boolean> {
  const client = new cassandra.Client({
    contactPoints: (variables.CASSANDRA_CONTACT_POINTS ?? '').split(','),
    protocolOptions: { port: Number(variables.CASSANDRA_PORT) },
    localDataCenter: variables.CASSANDRA_DATACENTER,
    credentials: {
      username: variables.CASSANDRA_USERNAME ?? '',
      password: variables.CASSANDRA_PASSWORD ?? '',
    },
    keyspace: variables.CASSANDRA_KEYSPACE,
  });
  try {
    for (const end = Date.now() + limitMs; Date.now() < end;) {
      const { rows } = await client.execute('SELECT shard, window FROM sweeps', [], {
        consistency: cassandra.types.consistencies.quorum,
      });
      const done = rows.filter((row) => (row.get('window') as Date) > until);
      if (done.length === SHARDS) return true;
      await sleep(1000);
    }
    return false;
  } finally {
    await client.shutdown();
  }
}

interface Page<T> {
  data: T[];
  meta: { next_cursor: string | null };
}

class Reader {
  private readonly url: string;
  private readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  async page<T>(path: string): Promise<Page<T> | undefined> {
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(`${this.url}${path}`, {
        headers: { authorization: `Bearer ${this.token}` },
        signal: AbortSignal.timeout(30_000),
      }).catch(() => undefined);
      if (response?.ok) return (await response.json()) as Page<T>;
      if (response?.status === 404) return undefined;
      if (attempt === 10) throw new Error(`GET ${path} came to ${String(response?.status)}`);
      await sleep(1000);
    }
  }

  async all<T>(path: string): Promise<T[]> {
    const found: T[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page<T> | undefined = await this.page(`${path}?limit=${String(PAGE)}${more}`);
      found.push(...(page?.data ?? []));
      cursor = page?.meta.next_cursor ?? null;
    }
    return found;
  }
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const one = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: READERS }, one));
}

async function readOrganization(
  { id, admin }: Organization,
  ids: ReadonlySet<string>,
  url: string,
  variables: Variables,
) {
  const reader = new Reader(url, admin.token);
  const [users, contacts] = await Promise.all([
    reader.all<UserBody>('/api/v1/users'),
    reader.all<RecordBody>('/api/v1/contacts'),
  ]);
  const histories: Record<string, EventBody[]> = {};
  await eachOf([...new Set([...ids, ...contacts.map((one) => one.id)])], async (contact) => {
    const events = await reader.all<EventBody>(`/api/v1/contacts/${contact}/history`);
    histories[contact] = events.toReversed();
  });
  const { code, output } = await runProgram(
    ['dist/cli/verify.js', '--organization', id],
    variables,
  );
  const verify = code === 0 ? [] : output.trim().split('\n').slice(-20);
  return { id, users, contacts, histories, verify };
}

/** Reads everything that the checker asks for. */
export async function readFinal(world: World, url: string, variables: Variables): Promise<Final> {
  const organizations = await Promise.all(
    world.organizations.map((organization) => {
      const own = world.history.operations.filter((one) => one.organization === organization.id);
      const ids = own
        .filter(({ kind, outcome }) => kind === 'create' && outcome === 'ok')
        .map(({ data }) => (data as { id: string }).id);
      return readOrganization(organization, new Set(ids), url, variables);
    }),
  );
  const logins: Final['logins'] = [];
  await eachOf(world.contenders, async (contender) => {
    const good = (await world.login(contender)) !== undefined;
    logins.push({ organization: contender.organization, email: contender.email, good });
  });
  return { organizations, logins };
}
