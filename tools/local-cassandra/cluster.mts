import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import cassandra from 'cassandra-driver';
import { HOME, LocalCassandraError, type Log, shown } from './common.mts';
import { ensureJars } from './jars.mts';
import { findJava } from './java.mts';
import { isAlive, LOGIN, runningPid, startNode, stopNode } from './node.mts';
import { DATACENTER, type NodeSpec } from './node-config.mts';

/** How to reach a running cluster, and how to leave it. */
export interface Cluster {
  /** The CASSANDRA_* variables for a server that is to use it. */
  variables: Record<string, string>;
  /** Whether this call started it; false when it was running already. */
  started: boolean;
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

export const DEV_FOLDER = join(HOME, 'dev');

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port'));
      });
    });
  });
}

async function nodeSpecs(folder: string, options: ClusterOptions): Promise<NodeSpec[]> {
  const { ephemeral = false, nodes } = options;
  const nativePort = ephemeral
    ? await freePort()
    : Number(process.env.CASSANDRA_PORT ?? DEV_NATIVE_PORT);
  const storagePort = ephemeral ? await freePort() : DEV_STORAGE_PORT;
  const specs: NodeSpec[] = [];
  for (let index = 0; index < nodes; index++) {
    specs.push({
      folder: join(folder, `node${String(index + 1)}`),
      address: `127.0.0.${String(index + 1)}`,
      nativePort,
      storagePort,
      jmxPort: ephemeral ? await freePort() : DEV_JMX_PORT + index,
      seed: '127.0.0.1',
    });
  }
  return specs;
}

/** Pids in a folder of files named after them; those of dead processes are swept away. */
function livePids(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map(Number)
    .filter((pid) => {
      if (isAlive(pid)) return true;
      rmSync(join(folder, String(pid)), { force: true });
      return false;
    });
}

/** One process at a time starts or stops the cluster; a lock whose holder is dead is void. */
async function withLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock = join(folder, 'lock');
  mkdirSync(folder, { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0;
      if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
      await sleep(200);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** So that a login works while one of several nodes is dead, each of them must know the roles. */
async function spreadRoles(nodes: NodeSpec[]): Promise<void> {
  const [first] = nodes;
  if (nodes.length === 1 || !first) return;
  const client = new cassandra.Client({
    contactPoints: [first.address],
    protocolOptions: { port: first.nativePort },
    localDataCenter: DATACENTER,
    credentials: LOGIN,
    queryOptions: { consistency: cassandra.types.consistencies.all },
  });
  try {
    await client.connect();
    await client.execute(
      `ALTER KEYSPACE system_auth WITH replication =
       {'class': 'NetworkTopologyStrategy', '${DATACENTER}': ${String(nodes.length)}}`,
    );
    // Written again, the role goes to the replicas that the change has added.
    await client.execute(
      `ALTER ROLE ${LOGIN.username} WITH PASSWORD = '${LOGIN.password}' AND SUPERUSER = true AND LOGIN = true`,
    );
  } finally {
    await client.shutdown();
  }
}

async function startAll(specs: NodeSpec[], options: ClusterOptions): Promise<void> {
  const { log, signal } = options;
  const [first] = specs;
  const java = findJava();
  const jars = ensureJars(java, log);
  const what = specs.length === 1 ? '1 node' : `${String(specs.length)} nodes`;
  const where = `${first?.address ?? ''}:${String(first?.nativePort ?? '')}`;
  log(`starting ${what} on ${where} (data in ${shown(join(first?.folder ?? '', '..'))})`);
  const begin = Date.now();
  try {
    for (const spec of specs) await startNode(spec, java, jars, signal);
    await spreadRoles(specs);
  } catch (error) {
    for (const spec of specs) await stopNode(spec.folder, log);
    throw error;
  }
  log(`ready after ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

/** Data of commands that were killed before they could clean up. */
async function sweepLeftovers(log: Log): Promise<void> {
  if (!existsSync(HOME)) return;
  for (const name of readdirSync(HOME)) {
    const pid = Number(/^run-(\d+)$/.exec(name)?.[1]);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    await stopCluster(join(HOME, name), log);
    rmSync(join(HOME, name), { recursive: true, force: true });
  }
}

/** Stops every node of the cluster in `folder`, whoever uses it. Returns how many were running. */
export async function stopCluster(folder: string, log: Log): Promise<number> {
  const nodes = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.startsWith('node'))
    : [];
  const running = nodes.filter((name) => runningPid(join(folder, name)) !== undefined);
  await Promise.all(running.map((name) => stopNode(join(folder, name), log)));
  return running.length;
}

/** The ports of the running nodes, as they were when they were started. */
function remembered(folder: string): NodeSpec[] | undefined {
  const file = join(folder, 'cluster.json');
  if (!existsSync(file)) return undefined;
  const specs = JSON.parse(readFileSync(file, 'utf8')) as NodeSpec[];
  const running = specs.filter((spec) => runningPid(spec.folder) !== undefined);
  return running.length === specs.length ? specs : undefined;
}

/**
 * A running cluster: the one that is there, or a new one. Several commands may share it; each
 * leaves its pid in `users`, and the last one to leave stops the nodes.
 * @throws LocalCassandraError
 */
export async function acquireCluster(options: ClusterOptions): Promise<Cluster> {
  const { ephemeral = false, log } = options;
  const folder = ephemeral ? join(HOME, `run-${String(process.pid)}`) : DEV_FOLDER;
  const users = join(folder, 'users');
  const me = join(users, String(process.pid));
  await sweepLeftovers(log);

  const { specs, started } = await withLock(folder, async () => {
    const running = remembered(folder);
    if (running && running.length !== options.nodes && options.nodes > 1) {
      throw new LocalCassandraError(
        `A local cluster of ${String(running.length)} node(s) is running already.\n` +
          'Stop it first: npm run db -- --stop',
      );
    }
    const specs = running ?? (await nodeSpecs(folder, options));
    if (running) {
      log(`using the local Cassandra that runs on ${specs.map((spec) => spec.address).join(', ')}`);
    } else {
      await stopCluster(folder, log);
      await startAll(specs, options);
      writeFileSync(join(folder, 'cluster.json'), JSON.stringify(specs, null, 2));
    }
    mkdirSync(users, { recursive: true });
    writeFileSync(me, '');
    return { specs, started: !running };
  });

  return {
    started,
    variables: {
      CASSANDRA_CONTACT_POINTS: specs.map((spec) => spec.address).join(','),
      CASSANDRA_PORT: String(specs[0]?.nativePort ?? DEV_NATIVE_PORT),
      CASSANDRA_DATACENTER: DATACENTER,
      CASSANDRA_USERNAME: LOGIN.username,
      CASSANDRA_PASSWORD: LOGIN.password,
    },
    release: () =>
      withLock(folder, async () => {
        rmSync(me, { force: true });
        if (livePids(users).length > 0) return;
        log('stopping');
        await stopCluster(folder, log);
        if (ephemeral) rmSync(folder, { recursive: true, force: true });
      }),
  };
}
