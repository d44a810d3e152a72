import { spawn } from 'node:child_process';
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
import { LocalCassandraError, type Log, shown } from './common.mts';
import { type NodeSpec, prepareNode } from './node-config.mts';
import { isPortOpen, listenFault } from './ports.mts';
import { commandOf, isAlive } from './processes.mts';
import { acceptsLogin } from './roles.mts';

const START_LIMIT_MS = 180_000;
const STOP_LIMIT_MS = 30_000;

const pidFile = (folder: string) => join(folder, 'pid');
const logFile = (folder: string) => join(folder, 'system.log');

/** The process of the node in `folder`, if it runs. A pid that another program has by now is not. */
export function runningPid(folder: string): number | undefined {
  if (!existsSync(pidFile(folder))) return undefined;
  const pid = Number(readFileSync(pidFile(folder), 'utf8'));
  const command = commandOf(pid);
  const isOurs = command.includes('CassandraDaemon') && command.includes(join(folder, 'conf'));
  return isOurs ? pid : undefined;
}

/** The two lines of a log that tell best why the server ended: its first complaint and the cause. */
export function lastWords(log: string): string {
  const lines = log.trim().split('\n');
  const first = lines.findIndex((line) =>
    /^(ERROR|FATAL|Error|Exception|Invalid|Unrec)/.test(line),
  );
  const told = first < 0 ? lines.slice(-1) : lines.slice(first, first + 2);
  const cause = lines.findLast((line) => line.startsWith('Caused by: '));
  if (cause !== undefined) told[1] = cause;
  return told.map((line) => line.slice(0, 300)).join('\n');
}

function endedError(node: NodeSpec): LocalCassandraError {
  const file = logFile(node.folder);
  return new LocalCassandraError(
    `Cassandra ended while it was starting:\n${lastWords(readFileSync(file, 'utf8'))}\n` +
      `All of it is in ${shown(file)}`,
  );
}

/**
 * Finds what would keep a node from starting, before anything is started.
 * @throws LocalCassandraError
 */
export async function checkPorts(node: NodeSpec): Promise<void> {
  for (const port of [node.nativePort, node.storagePort, node.jmxPort]) {
    const fault = await listenFault(node.address, port);
    if (fault === 'EADDRINUSE') {
      throw new LocalCassandraError(
        `Port ${String(port)} on ${node.address} is taken by another program.\n` +
          'To use the Cassandra that runs there: CASSANDRA_CONTACT_POINTS=127.0.0.1 npm start\n' +
          'To start the local one elsewhere:     ' +
          `CASSANDRA_PORT=${String(node.nativePort + 100)} npm start`,
      );
    }
    if (fault !== undefined) {
      throw new LocalCassandraError(
        `This machine cannot listen on ${node.address}:${String(port)} (${fault}).\n` +
          'macOS has only 127.0.0.1 until it is told otherwise, once per boot and address:\n' +
          `sudo ifconfig lo0 alias ${node.address}`,
      );
    }
  }
}

async function waitUntil(
  node: NodeSpec,
  isReady: () => Promise<boolean>,
  signal?: AbortSignal,
): Promise<void> {
  const giveUpAt = Date.now() + START_LIMIT_MS;
  while (!(await isReady())) {
    signal?.throwIfAborted();
    if (runningPid(node.folder) === undefined) throw endedError(node);
    if (Date.now() > giveUpAt) {
      throw new LocalCassandraError(
        `Cassandra did not come up within ${String(START_LIMIT_MS / 1000)} s.\n` +
          `See ${shown(logFile(node.folder))}`,
      );
    }
    await sleep(200);
  }
}

/**
 * Starts a node and waits until its port is open. It gets a session of its own: a Ctrl-C in the
 * terminal must reach the server first, and the database when the server is done.
 */
export async function startNode(
  node: NodeSpec,
  java: string,
  jars: string,
  signal?: AbortSignal,
): Promise<void> {
  mkdirSync(node.folder, { recursive: true });
  const output = openSync(logFile(node.folder), 'w');
  const child = spawn(java, prepareNode(node, jars), {
    cwd: node.folder,
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.unref();
  const { pid } = child;
  if (pid === undefined) {
    await new Promise((_resolve, reject) => child.once('error', reject));
  }
  writeFileSync(pidFile(node.folder), String(pid));
  await waitUntil(node, () => isPortOpen(node.address, node.nativePort), signal);
}

/** Waits until a node that was started takes logins; one of several may need the others for it. */
export async function waitForLogin(node: NodeSpec, signal?: AbortSignal): Promise<void> {
  await waitUntil(node, () => acceptsLogin(node), signal);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Stops the node in `folder`: first by asking, after a while by force. */
export async function stopNode(folder: string, log: Log): Promise<void> {
  const pid = runningPid(folder);
  if (pid !== undefined) {
    kill(pid, 'SIGTERM');
    const giveUpAt = Date.now() + STOP_LIMIT_MS;
    while (isAlive(pid) && Date.now() < giveUpAt) await sleep(100);
    if (isAlive(pid)) {
      log(`the node in ${shown(folder)} does not stop; killing it`);
      kill(pid, 'SIGKILL');
      while (isAlive(pid)) await sleep(100);
    }
  }
  rmSync(pidFile(folder), { force: true });
}
