// The checker can fail: what the product survives by its consistency and by its fence, it does not
// survive without. Both are taken away by preload.cjs alone; there is no setting for it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeSpec } from '../../tools/local-cassandra/node-config.mts';
import { type Account, ApiClient } from './api-client.mts';
import { findFaults, type Promised } from './checker.mts';
import { History, type Operation } from './history.mts';
import type { Final } from './observed.mts';
import { signalNode } from './nemesis.mts';
import { Random } from './random.mts';
import { Server, type Variables } from './servers.mts';
import { World } from './world.mts';

const ROUNDS = 5;
const EDITS = 4;
/** Longer than a node keeps a write that it has not looked at (`write_request_timeout`). */
const EXPIRY_MS = 2500;
const LEASE_SECONDS = 3;
const STALL_MS = 6000;

/** What a control takes away, and the promise that is broken then. */
export interface Control {
  name: string;
  variables: Variables;
  broken: Promised | null;
}

const STALE: Promised = 'no read is older than what was acknowledged before it';

export const CONTROLS: Control[] = [
  { name: 'the program as it is', variables: {}, broken: null },
  {
    name: 'reading and writing at ONE',
    variables: { FAULTS_CONSISTENCY: 'one' },
    broken: STALE,
  },
  {
    name: 'without the fence',
    variables: { FAULTS_UNFENCED: '1' },
    broken: 'one organization a name, one live user an email',
  },
];

export interface ControlResult extends Control {
  faults: Record<string, string[]>;
}

/**
 * Two servers, each of which speaks to one node only, and two stories: reads from a node that has
 * missed the last writes, and a registration that stalls before its commit.
 */
export async function runControl(
  control: Control,
  nodes: readonly NodeSpec[],
  variables: Variables,
  file: string,
): Promise<ControlResult> {
  const [first, second] = nodes;
  if (!first || !second) throw new Error('A control takes two nodes');
  const history = new History(file);
  const common = {
    ...variables,
    ...control.variables,
    WORKERS: 'off',
    CLAIM_LEASE: String(LEASE_SECONDS),
  };
  const stall = `users.insert:${String(STALL_MS)}`;
  const servers = await Promise.all([
    Server.start('control-1', { ...common, FAULTS_ONLY: first.address, FAULTS_STALL: stall }),
    Server.start('control-2', { ...common, FAULTS_ONLY: second.address }),
  ]);
  try {
    const [one, two] = servers;
    const writer = new ApiClient('writer', history, () => [one.url], new Random(1));
    const reader = new ApiClient('reader', history, () => [two.url], new Random(2));
    // The first user that server 1 inserts is the one that stalls.
    const world = new World(history, `c${String(Date.now())}`, () => [two.url]);
    await world.prepare(1, 1);
    const [organization] = world.organizations;
    if (!organization) throw new Error('There is no organization');
    const [counter = ''] = organization.counters;
    for (let round = 0; round < ROUNDS; round++) {
      await readBehind(world, writer, reader, organization.admin, counter, second);
      // A hint that is delivered in the same moment would undo what a round has prepared.
      if (findFaults(STALE, history.operations, NOTHING).length > 0) break;
    }
    await registerTwice(world, writer, reader, organization.admin);
    return { ...control, faults: check(history.operations) };
  } finally {
    history.close();
    await Promise.all(servers.map((server) => server.close()));
  }
}

const NOTHING: Final = { organizations: [], logins: [] };

/** Only what the operations themselves show: that is enough here. */
function check(operations: readonly Operation[]): Record<string, string[]> {
  const found = new Map<string, string[]>();
  const users = operations
    .filter(({ kind, outcome }) => kind === 'user' && outcome === 'ok')
    .map(({ data }) => (data as { user: Final['organizations'][number]['users'][number] }).user);
  const organizations = [...new Set(operations.map(({ organization }) => organization))].map(
    (id) => ({
      id,
      users: users.filter((user) => user.organization_id === id),
      contacts: [],
      histories: {},
      verify: [],
    }),
  );
  for (const promise of CONTROLS.flatMap(({ broken }) => broken ?? [])) {
    found.set(promise, findFaults(promise, operations, { organizations, logins: [] }));
  }
  return Object.fromEntries(found);
}

/** Writes while a node is stopped, and reads from it as soon as it goes on. */
async function readBehind(
  world: World,
  writer: ApiClient,
  reader: ApiClient,
  account: Account,
  id: string,
  node: NodeSpec,
): Promise<void> {
  const common = { workload: 'records', path: `/api/v1/contacts/${id}`, account } as const;
  await reader.send({ ...common, kind: 'read', method: 'GET' });
  signalNode(node, 'SIGSTOP');
  try {
    for (let edit = 0; edit < EDITS; edit++) {
      const marker = world.name('m');
      const body = { title: marker };
      const key = world.name('key');
      await writer.send({ ...common, kind: 'change', method: 'PATCH', body, marker, key });
    }
    await sleep(EXPIRY_MS);
  } finally {
    signalNode(node, 'SIGCONT');
  }
  for (let read = 0; read < EDITS; read++) {
    await reader.send({ ...common, kind: 'read', method: 'GET' });
  }
}

/** One email, two registrations: the first is stalled before its commit, beyond its lease. */
async function registerTwice(
  world: World,
  writer: ApiClient,
  reader: ApiClient,
  account: Account,
): Promise<void> {
  const contender = world.contender(account.organization);
  const request = { ...world.registration(contender), kind: 'user', marker: contender.email };
  const slow = writer.send({ ...request, account });
  await sleep(LEASE_SECONDS * 1000 + 1000);
  await Promise.all([slow, reader.send({ ...request, account })]);
}
