import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import cassandra from 'cassandra-driver';
import { isPortOpen, LocalCassandraError, type Log, shown } from './common.mts';
import { DATACENTER, type NodeSpec, prepareNode } from './node-config.mts';

export const LOGIN = { username: 'cassandra', password: 'cassandra' };

const START_LIMIT_MS = 180_000;
const STOP_LIMIT_MS = 30_000;

const pidFile = (folder: string) => join(folder, 'pid');
const logFile = (folder: string) => join(folder, 'system.log');

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The process of the node in `folder`, if it runs. A pid that another program has by now is not. */
export function runningPid(folder: string): number | undefined {
  if (!existsSync(pidFile(folder))) return undefined;
  const pid = Number(readFileSync(pidFile(folder), 'utf8'));
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  const command = execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
    encoding: 'utf8',
  });
  return command.includes(join(folder, 'conf')) ? pid : undefined;
}

/** True when the node takes a login: its role is created some time after its port opens. */
async function acceptsLogin(node: NodeSpec): Promise<boolean> {
  const client = new cassandra.Client({
    contactPoints: [node.address],
    protocolOptions: { port: node.nativePort },
    localDataCenter: DATACENTER,
    credentials: LOGIN,
  });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.shutdown().catch(() => undefined);
  }
}

function lastWords(folder: string): string {
  const lines = readFileSync(logFile(folder), 'utf8').trim().split('\n');
  const faults = lines.filter((line) => /^(ERROR|Exception|Caused by|Error)/.test(line));
  return (faults.at(-1) ?? lines.at(-1) ?? '').slice(0, 300);
}

async function checkPorts(node: NodeSpec): Promise<void> {
  for (const port of [node.nativePort, node.storagePort]) {
    if (!(await isPortOpen(node.address, port))) continue;
    throw new LocalCassandraError(
      `Port ${String(port)} on ${node.address} is taken by another program.\n` +
        (port === node.nativePort
          ? 'If that is a Cassandra you want to use: CASSANDRA_CONTACT_POINTS=127.0.0.1 npm start\n' +
            'If not, start the local one elsewhere:  CASSANDRA_PORT=9142 npm start'
          : 'Stop that program, or use another Cassandra by CASSANDRA_CONTACT_POINTS.'),
    );
  }
}

/**
 * Starts a node and waits until it takes a login. It gets a session of its own: a Ctrl-C in the
 * terminal must reach the server first, and the database when the server is done.
 */
export async function startNode(
  node: NodeSpec,
  java: string,
  jars: string,
  signal?: AbortSignal,
): Promise<void> {
  await checkPorts(node);
  mkdirSync(node.folder, { recursive: true });
  const output = openSync(logFile(node.folder), 'w');
  const child = spawn(java, prepareNode(node, jars), {
    cwd: node.folder,
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  const state = { ended: false };
  const end = () => {
    state.ended = true;
  };
  child.once('exit', end).once('error', end).unref();
  writeFileSync(pidFile(node.folder), String(child.pid));
  const giveUpAt = Date.now() + START_LIMIT_MS;
  while (!((await isPortOpen(node.address, node.nativePort)) && (await acceptsLogin(node)))) {
    signal?.throwIfAborted();
    if (state.ended) {
      throw new LocalCassandraError(
        `Cassandra ended while it was starting:\n${lastWords(node.folder)}\n` +
          `All of it: ${shown(logFile(node.folder))}`,
      );
    }
    if (Date.now() > giveUpAt) {
      throw new LocalCassandraError(
        `Cassandra did not come up within ${String(START_LIMIT_MS / 1000)} s.\n` +
          `See ${shown(logFile(node.folder))}`,
      );
    }
    await sleep(300);
  }
}

/** Stops the node in `folder`: first by asking, after a while by force. */
export async function stopNode(folder: string, log: Log): Promise<void> {
  const pid = runningPid(folder);
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM');
    const giveUpAt = Date.now() + STOP_LIMIT_MS;
    while (isAlive(pid) && Date.now() < giveUpAt) await sleep(100);
    if (isAlive(pid)) {
      log(`node in ${shown(folder)} does not stop; killing it`);
      process.kill(pid, 'SIGKILL');
    }
  }
  rmSync(pidFile(folder), { force: true });
}
