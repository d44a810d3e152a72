import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireCluster, type Cluster } from '../../tools/local-cassandra/cluster.mts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import type { Final } from './observed.mts';
import { type ControlResult, CONTROLS, runControl } from './controls.mts';
import { readFinal, settle, swept } from './final.mts';
import { History, type Operation } from './history.mts';
import { Nemesis, type Step, type Suffered } from './nemesis.mts';
import { LOGS, runProgram, Server, type Variables } from './servers.mts';
import { imports } from './workloads/imports.mts';
import { merges, records, replays, strangers, uniques } from './workloads/records.mts';
import { organizations, users } from './workloads/users.mts';
import { type Workload, World } from './world.mts';

export interface Plan {
  steps: Step[];
  warmUpMs: number;
  /** Between the last fault and the base. */
  calmMs: number;
  baseMs: number;
  pauseMs: number;
  variables: Variables;
  sweepLimitMs: number;
  /** Whether the second server works in the background: after a crash it keeps its leases for a minute. */
  workers: 'on' | 'off';
  /** Whether it is shown that the checker can fail. */
  controls: boolean;
}

export const FULL: Plan = {
  steps: [
    { kind: 'kill node', holdMs: 30_000 },
    { kind: 'stop node', holdMs: 30_000 },
    { kind: 'crash server', holdMs: 2000 },
    { kind: 'cut database', holdMs: 8000 },
    { kind: 'cut clients', holdMs: 2000 },
    { kind: 'stop node', holdMs: 30_000 },
    { kind: 'crash server', holdMs: 2000 },
  ],
  warmUpMs: 20_000,
  calmMs: 10_000,
  baseMs: 30_000,
  pauseMs: 6000,
  variables: { REQUEST_TIMEOUT: '10', CLAIM_LEASE: '10' },
  sweepLimitMs: 240_000,
  workers: 'on',
  controls: true,
};

/** For CI: what takes long in the full one is faster by settings, and nothing is timed. */
export const SHORT: Plan = {
  steps: [
    { kind: 'crash server', holdMs: 500, server: 1 },
    { kind: 'kill node', holdMs: 6000 },
    { kind: 'cut database', holdMs: 3000 },
    { kind: 'stop node', holdMs: 8000 },
    { kind: 'cut clients', holdMs: 1000 },
  ],
  warmUpMs: 2000,
  calmMs: 0,
  baseMs: 3000,
  pauseMs: 1000,
  variables: { REQUEST_TIMEOUT: '5', CLAIM_LEASE: '5', FAULTS_WINDOW_MS: '5000' },
  sweepLimitMs: 90_000,
  workers: 'off',
  controls: false,
};

/** One client for each, in the organization of this number. */
const CLIENTS: [Workload, number][] = [
  [records, 0],
  [records, 0],
  [records, 1],
  [uniques, 0],
  [uniques, 0],
  [uniques, 1],
  [organizations, 0],
  [users, 0],
  [merges, 0],
  [imports, 1],
  [replays, 1],
  [strangers, 1],
];
const THINK_MS = 250;
const COUNTERS = 3;
const SETTLE_LIMIT_MS = 60_000;

async function work(world: World, stopped: AbortSignal): Promise<void> {
  await Promise.all(
    CLIENTS.map(async ([workload, index], number) => {
      const client = world.client(`${workload.name}-${String(number)}`);
      const organization = world.organizations[index];
      if (!organization) throw new Error('There are too few organizations');
      while (!stopped.aborted) {
        await workload(world, client, organization);
        await sleep(THINK_MS * (0.5 + client.random.next()));
      }
    }),
  );
}

async function openDoors({ nodes }: Cluster): Promise<TcpProxy[]> {
  return Promise.all(nodes.map(({ address, nativePort }) => startProxy(address, nativePort)));
}

/** What a run has seen. */
export interface Result {
  operations: readonly Operation[];
  final: Final;
  suffered: readonly Suffered[];
  /** When nothing was hurt, in ms of the history. */
  base: { from: number; to: number };
  isSwept: boolean;
  controls: ControlResult[];
}

type Say = (line: string) => void;

/** Starts nodes and servers, hurts them while clients work, and reads what is there in the end. */
export async function runSuite(
  plan: Plan,
  seed: number,
  say: Say,
  signal: AbortSignal,
): Promise<Result> {
  rmSync(LOGS, { recursive: true, force: true });
  const cluster = await acquireCluster({ nodes: 3, ephemeral: true, log: say, signal });
  try {
    const variables = {
      ...cluster.variables,
      CASSANDRA_KEYSPACE: 'crm_faults',
      CASSANDRA_REPLICATION_FACTOR: '3',
      CASSANDRA_CONNECT_TIMEOUT: '30',
      ...plan.variables,
    };
    const migrated = await runProgram(['dist/cli/migrate.js'], variables);
    if (migrated.code !== 0) throw new Error(`The migration failed:\n${migrated.output}`);
    say('migrated');
    const result = await hurt(cluster, plan, variables, seed, say, signal);
    const controls: ControlResult[] = [];
    for (const control of plan.controls ? CONTROLS : []) {
      signal.throwIfAborted();
      say(`control: ${control.name}`);
      const file = join(LOGS, `control-${String(controls.length)}.ndjson`);
      controls.push(await runControl(control, cluster.nodes, variables, file));
    }
    return { ...result, controls };
  } finally {
    await cluster.release();
  }
}

async function hurt(
  cluster: Cluster,
  plan: Plan,
  variables: Variables,
  seed: number,
  say: Say,
  signal: AbortSignal,
): Promise<Omit<Result, 'controls'>> {
  const history = new History(join(LOGS, 'history.ndjson'));
  const doors = await openDoors(cluster);
  const servers: Server[] = [];
  try {
    const through = cluster.nodes.map(({ address }, index) => [
      address,
      `127.0.0.1:${String(doors[index]?.port)}`,
    ]);
    const proxies = JSON.stringify(Object.fromEntries(through));
    const started = await Promise.all([
      Server.start('server-1', { ...variables, WORKERS: 'on' }),
      Server.start('server-2', { ...variables, WORKERS: plan.workers, FAULTS_PROXIES: proxies }),
    ]);
    servers.push(...started);
    const urls = () => servers.map(({ url }) => url);
    const world = new World(history, seed.toString(36), urls);
    await world.prepare(2, COUNTERS);

    const stop = new AbortController();
    const clients = work(world, stop.signal);
    say('clients at work');
    const nemesis = new Nemesis({ nodes: cluster.nodes, servers, doors }, history, seed, say);
    let base = { from: 0, to: 0 };
    try {
      await sleep(plan.warmUpMs, undefined, { signal });
      await nemesis.run(plan.steps, plan.pauseMs, signal);
      // Last, when all programs have warmed up: what is compared with it was hurt when they had not.
      await sleep(plan.calmMs, undefined, { signal });
      const from = history.now();
      await sleep(plan.baseMs, undefined, { signal });
      base = { from, to: history.now() };
    } finally {
      stop.abort();
      await clients;
    }
    say('clients at rest');
    const left = await settle(world, SETTLE_LIMIT_MS);
    say(`settled, ${String(left)} left open`);
    const isSwept = await swept(variables, new Date(), plan.sweepLimitMs);
    say(isSwept ? 'swept' : 'not swept in time');
    const final = await readFinal(world, urls()[0] ?? '', variables);
    say('read');
    return { operations: history.operations, final, suffered: nemesis.suffered, base, isSwept };
  } finally {
    history.close();
    await Promise.all(servers.map((server) => server.close()));
    await Promise.all(doors.map((door) => door.close()));
  }
}
