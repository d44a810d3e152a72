import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HOME, LocalCassandraError, type Log, PROJECT } from './common.mts';

export const CASSANDRA_VERSION = '5.0.8';

/** The folder with the server's jars, fetched by Maven the first time. */
export function ensureJars(java: string, log: Log): string {
  const folder = join(HOME, `lib-${CASSANDRA_VERSION}`);
  if (existsSync(folder)) return folder;
  log(`fetching Apache Cassandra ${CASSANDRA_VERSION} by Maven (67 MB, only once)`);
  // Renamed when it is whole: a download that broke off is never taken for the server.
  const unfinished = `${folder}.${String(process.pid)}`;
  mkdirSync(HOME, { recursive: true });
  const result = spawnSync(
    'mvn',
    [
      '--quiet',
      '--batch-mode',
      '--file',
      join(PROJECT, 'tools', 'local-cassandra', 'pom.xml'),
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${unfinished}`,
    ],
    {
      encoding: 'utf8',
      env: { ...process.env, JAVA_HOME: process.env.JAVA_HOME ?? dirname(dirname(java)) },
    },
  );
  if (result.error) {
    throw new LocalCassandraError(
      'Fetching Cassandra needs Maven, and there is no "mvn" on the PATH.\n' +
        'Install it (Debian: apt install maven, macOS: brew install maven), or use a server that\n' +
        'is there already: CASSANDRA_CONTACT_POINTS=127.0.0.1 npm start',
    );
  }
  if (result.status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    const reason = `${result.stdout}\n${result.stderr}`
      .split('\n')
      .find((line) => /ERROR/.test(line));
    throw new LocalCassandraError(
      `Maven could not fetch Cassandra ${CASSANDRA_VERSION}:\n` +
        `${(reason ?? 'it said nothing').slice(0, 300)}\n` +
        'Check the network and the proxy settings of Maven, then try again.',
    );
  }
  if (existsSync(folder)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, folder);
  return folder;
}
