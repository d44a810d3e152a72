import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';
import { HOME, LocalCassandraError, type Log, PROJECT } from './common.mts';
import { isAlive } from './processes.mts';

export const CASSANDRA_VERSION = '5.0.8';

const FOLDER = `lib-${CASSANDRA_VERSION}`;

/** Maven's own search may end at another Java; a version manager's shim is no JAVA_HOME. */
function javaHome(java: string): Record<string, string> {
  const home = dirname(dirname(realpathSync(java)));
  return existsSync(join(home, 'bin', 'java')) ? { JAVA_HOME: home } : {};
}

function mavenFault(error: unknown): LocalCassandraError {
  const { code, stdout = '' } = error as { code?: string | number; stdout?: string };
  if (code === 'ENOENT') {
    return new LocalCassandraError(
      'Fetching Cassandra needs Maven, and there is no "mvn" on the PATH.\n' +
        'Install it (Debian: apt install maven, macOS: brew install maven), or use a server that\n' +
        'is there already: CASSANDRA_CONTACT_POINTS=127.0.0.1 npm start',
    );
  }
  const reason = stripVTControlCharacters(stdout)
    .split('\n')
    .find((line) => line.includes('ERROR'));
  return new LocalCassandraError(
    `Maven could not fetch Cassandra ${CASSANDRA_VERSION}:\n` +
      `${(reason ?? `it ended with ${String(code)} and said nothing`).slice(0, 400)}\n` +
      "Check the network, Maven's proxy settings and the space on the disk, and start again.",
  );
}

async function fetchJars(target: string, java: string, signal?: AbortSignal): Promise<void> {
  const pom = join(PROJECT, 'tools', 'local-cassandra', 'pom.xml');
  const goal = 'dependency:copy-dependencies';
  const options = ['-DincludeScope=runtime', `-DoutputDirectory=${target}`];
  await promisify(execFile)('mvn', ['--quiet', '--batch-mode', '--file', pom, goal, ...options], {
    env: { ...process.env, ...javaHome(java) },
    maxBuffer: 2 ** 26,
    signal,
  });
}

function sweepUnfinished(): void {
  for (const name of readdirSync(HOME)) {
    const pid = name.startsWith(`${FOLDER}.`) ? Number(name.slice(FOLDER.length + 1)) : undefined;
    if (pid !== undefined && !isAlive(pid)) rmSync(join(HOME, name), { recursive: true });
  }
}

/** The folder with the server's jars, fetched by Maven the first time. */
export async function ensureJars(java: string, log: Log, signal?: AbortSignal): Promise<string> {
  const folder = join(HOME, FOLDER);
  if (existsSync(folder)) return folder;
  log(`fetching Apache Cassandra ${CASSANDRA_VERSION} by Maven (67 MB, once) …`);
  mkdirSync(HOME, { recursive: true });
  sweepUnfinished();
  // Renamed when it is whole: a download that broke off is never taken for the server.
  const unfinished = `${folder}.${String(process.pid)}`;
  try {
    await fetchJars(unfinished, java, signal);
    // Another command may have fetched it at the same time.
    if (!existsSync(folder)) renameSync(unfinished, folder);
  } catch (error) {
    signal?.throwIfAborted();
    throw mavenFault(error);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}
