import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LocalCassandraError } from './common.mts';

/** Cassandra 5.0 runs on Java 11 and 17, and its flags in node-config.mts are those of 17. */
const REQUIRED = 17;

const FOLDERS = [
  '/usr/lib/jvm',
  '/usr/java',
  '/opt/java',
  '/Library/Java/JavaVirtualMachines',
  join(homedir(), 'Library', 'Java', 'JavaVirtualMachines'),
  '/opt/homebrew/opt',
  '/usr/local/opt',
  join(homedir(), '.sdkman', 'candidates', 'java'),
  join(homedir(), '.jdks'),
];

/** The major version in what `java -version` prints; 8 calls itself 1.8. */
export function majorVersion(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return match ? Number(match[1]) : undefined;
}

function versionOf(java: string): number | undefined {
  const { stdout, stderr } = spawnSync(java, ['-version'], { encoding: 'utf8', timeout: 20_000 });
  return majorVersion(`${stdout}\n${stderr}`);
}

function entries(folder: string): string[] {
  if (folder === '') return [];
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function candidates(): string[] {
  const folders = process.env.LOCAL_JAVA_FOLDERS?.split(':') ?? FOLDERS;
  const homes = folders.flatMap((folder) =>
    entries(folder).flatMap((name) => [
      join(folder, name),
      join(folder, name, 'Contents', 'Home'),
      join(folder, name, 'libexec', 'openjdk.jdk', 'Contents', 'Home'),
    ]),
  );
  const javaHome = process.env.JAVA_HOME;
  const onPath = (process.env.PATH ?? '').split(':').filter((folder) => folder !== '');
  return [
    ...(javaHome ? [join(javaHome, 'bin', 'java')] : []),
    ...onPath.map((folder) => join(folder, 'java')),
    ...homes.map((home) => join(home, 'bin', 'java')),
  ].filter((java) => existsSync(java));
}

/** The `java` of a JDK 17: JAVA_HOME, then PATH, then the usual folders. */
export function findJava(): string {
  const found = new Set<number>();
  for (const java of candidates()) {
    const version = versionOf(java);
    if (version === REQUIRED) return java;
    if (version !== undefined) found.add(version);
  }
  const versions = found.size > 0 ? `Found Java ${[...found].join(', ')}.` : 'Found none.';
  throw new LocalCassandraError(
    `The local Cassandra needs Java ${String(REQUIRED)}. ${versions}\n` +
      'Install it (Debian: apt install openjdk-17-jdk-headless, macOS: brew install openjdk@17)\n' +
      'or point JAVA_HOME at one. Or use a server that is there already:\n' +
      'CASSANDRA_CONTACT_POINTS=127.0.0.1 npm start',
  );
}
