import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { explainDiskFault, HOME, LocalCassandraError, type Log, shown } from './common.mts';
import { ensureJars } from './jars.mts';
import { findJava } from './java.mts';
import { countUsers, enter, leave, withLock } from './lock.mts';
import { checkPorts, runningPid, startNode, stopNode, waitForLogin } from './node.mts';
import { checkHeap, DATACENTER, type NodeSpec } from './node-config.mts';
import { freePorts } from './ports.mts';
import { isAlive } from './processes.mts';
import { LOGIN, spreadRoles } from './roles.mts';

/** How to reach a running cluster, and how to leave it. */
export interface Cluster {
  /** The CASSANDRA_* variables for a server that is to use it. */
  variables: Record<string, string>;
  /** Its nodes, for whoever is to hurt one of them. */
  nodes: readonly NodeSpec[];
  /** Whether any of its nodes is still there. */
  isRunning: () => boolean;
  /** Call when done: the last user stops the nodes. */
  release: () => Promise<void>;
}

export interface ClusterOptions {
  nodes: number;
  log: Log;
  /** For one command: free ports, and data that is deleted at the end. */
  ephemeral?: boolean;
  /** Ends a start that is under way. */
  signal?: AbortSignal;
}

const DEV_NATIVE_PORT = 9042;
// Not Cassandra's 7000: macOS listens there for AirPlay.
const DEV_STORAGE_PORT = 17_000;
const DEV_JMX_PORT = 17_199;
const JOIN_ATTEMPTS = 3;

export const DEV_FOLDER = join(HOME, 'dev');

/** The ports of a cluster: native, storage, and one for the JMX of each node. */
export function devPorts(nodes: number, chosen: string | undefined): number[] {
  const nativePort = Number(chosen === undefined || chosen === '' ? DEV_NATIVE_PORT : chosen);
  if (!Number.isInteger(nativePort) || nativePort < 1 || nativePort > 65_535) {
    throw new LocalCassandraError(
      `CASSANDRA_PORT is "${chosen ?? ''}", and that is no port: 1 to 65535, ${String(DEV_NATIVE_PORT)} by default.`,
    );
  }
  // All move together, so that another native port is enough for a second cluster.
  const shift = (nativePort - DEV_NATIVE_PORT + 70_000) % 10_000;
  const jmxPorts = Array.from({ length: nodes }, (_, index) => DEV_JMX_PORT + shift + index);
  return [nativePort, DEV_STORAGE_PORT + shift, ...jmxPorts];
}

async function planNodes(folder: string, options: ClusterOptions): Promise<NodeSpec[]> {
  const { nodes, ephemeral = false } = options;
  const [nativePort = 0, storagePort = 0, ...jmxPorts] = ephemeral
    ? await freePorts(nodes + 2)
    : devPorts(nodes, process.env.CASSANDRA_PORT);
  return jmxPorts.map((jmxPort, index) => ({
    folder: join(folder, `node${String(index + 1)}`),
    address: `127.0.0.${String(index + 1)}`,
    nativePort,
    storagePort,
    jmxPort,
    seed: '127.0.0.1',
  }));
}

const planFile = (folder: string) => join(folder, 'cluster.json');

function savePlan(folder: string, specs: NodeSpec[]): void {
  const unfinished = `${planFile(folder)}.new`;
  writeFileSync(unfinished, JSON.stringify(specs, null, 2));
  renameSync(unfinished, planFile(folder));
}

/** The nodes as they were started the last time; their folders, as the project is now. */
export function loadPlan(folder: string): NodeSpec[] {
  if (!existsSync(planFile(folder))) return [];
  const specs = JSON.parse(readFileSync(planFile(folder), 'utf8')) as NodeSpec[];
  return specs.map((spec, index) => ({
    ...spec,
    folder: join(folder, `node${String(index + 1)}`),
  }));
}

const isRunning = (spec: NodeSpec) => runningPid(spec.folder) !== undefined;

/** A node that joins asks the first one who is there, and gives up soon where the machine is busy. */
async function startPatiently(
  spec: NodeSpec,
  java: string,
  jars: string,
  signal?: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await startNode(spec, java, jars, signal);
      return;
    } catch (error) {
      const isTooSoon = /contact any seeds/.test(String(error));
      if (!isTooSoon || attempt === JOIN_ATTEMPTS) throw error;
    }
  }
}

async function startNodes(
  missing: NodeSpec[],
  all: NodeSpec[],
  { log, signal }: ClusterOptions,
): Promise<void> {
  checkHeap();
  for (const spec of missing) await checkPorts(spec);
  const java = findJava();
  const jars = await ensureJars(java, log, signal);
  const [first = { folder: '', address: '', nativePort: 0 }] = missing;
  const folder = join(first.folder, '..');
  mkdirSync(folder, { recursive: true });
  savePlan(folder, all);
  const what = missing.length === 1 ? '1 node' : `${String(missing.length)} nodes`;
  const where = `${first.address}:${String(first.nativePort)}`;
  log(`starting ${what} on ${where} (data in ${shown(folder)}) …`);
  const begin = Date.now();
  try {
    for (const spec of missing) await startPatiently(spec, java, jars, signal);
    for (const spec of missing) await waitForLogin(spec, signal);
    await spreadRoles(all, signal);
  } catch (error) {
    await Promise.all(missing.map((spec) => stopNode(spec.folder, log)));
    throw error;
  }
  log(`ready after ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

/** Brings up what is not running of the cluster in `folder`. */
async function bringUp(folder: string, options: ClusterOptions): Promise<NodeSpec[]> {
  const saved = loadPlan(folder);
  const running = saved.filter(isRunning);
  if (running.length > 0 && options.nodes > saved.length) {
    throw new LocalCassandraError(
      `A local Cassandra of ${saved.length === 1 ? '1 node' : `${String(saved.length)} nodes`} is running already.\n` +
        'Stop it first: npm run db -- --stop',
    );
  }
  // Data once spread over several nodes is whole only with all of them.
  const nodes = Math.max(options.nodes, saved.length);
  const specs = running.length > 0 ? saved : await planNodes(folder, { ...options, nodes });
  const missing = specs.filter((spec) => !isRunning(spec));
  if (missing.length > 0) {
    await startNodes(missing, specs, options);
  } else {
    const where = specs.map((spec) => `${spec.address}:${String(spec.nativePort)}`);
    options.log(`using the one that is running on ${where.join(', ')}`);
  }
  return specs;
}

/** Removes what commands left that were killed before they could clean up. */
export async function sweepLeftovers(log: Log): Promise<void> {
  if (!existsSync(HOME)) return;
  for (const name of readdirSync(HOME)) {
    const pid = /^run-(\d+)$/.exec(name)?.[1];
    const folder = join(HOME, name);
    if (pid === undefined) continue;
    // The pid may be another program's by now; a run that has begun to live has entered.
    if (isAlive(Number(pid)) && (!existsSync(join(folder, 'users')) || countUsers(folder) > 0)) {
      continue;
    }
    await stopCluster(folder, log);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Stops every node of the cluster in `folder`, whoever uses it. Returns how many were running. */
export async function stopCluster(folder: string, log: Log): Promise<number> {
  const nodes = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^node\d+$/.test(name))
    : [];
  const running = nodes.filter((name) => runningPid(join(folder, name)) !== undefined);
  if (running.length > 0) log('stopping …');
  await Promise.all(running.map((name) => stopNode(join(folder, name), log)));
  return running.length;
}

/** Deletes the data of a stopped cluster, but not what other commands wait with. */
export function wipeCluster(folder: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (/^(node\d+|cluster\.json)$/.test(name)) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
}

/**
 * A running cluster: the one that is there, or a new one. Several commands may share it, and the
 * last one to release it stops the nodes.
 * @throws LocalCassandraError
 */
export async function acquireCluster(options: ClusterOptions): Promise<Cluster> {
  const { ephemeral = false, log, signal } = options;
  const folder = ephemeral ? join(HOME, `run-${String(process.pid)}`) : DEV_FOLDER;
  const stop = () =>
    withLock(folder, { log }, async () => {
      leave(folder);
      if (countUsers(folder) === 0) await stopCluster(folder, log);
    });
  const release = async () => {
    await stop();
    if (ephemeral) rmSync(folder, { recursive: true, force: true });
  };
  try {
    await sweepLeftovers(log);
    enter(folder);
    const specs = await withLock(folder, { log, signal }, () => bringUp(folder, options));
    const [first] = specs;
    return {
      variables: {
        CASSANDRA_CONTACT_POINTS: specs.map((spec) => spec.address).join(','),
        CASSANDRA_PORT: String(first?.nativePort ?? DEV_NATIVE_PORT),
        CASSANDRA_DATACENTER: DATACENTER,
        CASSANDRA_USERNAME: LOGIN.username,
        CASSANDRA_PASSWORD: LOGIN.password,
      },
      nodes: specs,
      isRunning: () => specs.some(isRunning),
      release,
    };
  } catch (error) {
    // After a fault the log stays to be read; the next start sweeps it. Where leaving fails as
    // well, the first fault is the one to tell of.
    await (signal?.aborted ? release() : stop()).catch(() => undefined);
    throw explainDiskFault(error);
  }
}
