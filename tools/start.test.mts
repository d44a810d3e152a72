import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TOOLS = dirname(fileURLToPath(import.meta.url));

/** Away from a development database that may be running, and its other ports with it. */
const PORT = String(20_000 + Math.floor(Math.random() * 8000));

/** A project that has fetched nothing yet, on a machine with just the programs we put there. */
let project = '';
let bin = '';

before(() => {
  project = mkdtempSync(join(tmpdir(), 'crm-start-'));
  bin = join(project, 'bin');
  mkdirSync(bin);
  cpSync(TOOLS, join(project, 'tools'), { recursive: true });
  for (const folder of ['node_modules', 'dist']) {
    symlinkSync(join(TOOLS, '..', folder), join(project, folder));
  }
});
after(() => {
  rmSync(project, { recursive: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** Starts the server's launcher, which must refuse in at most five lines and without a stack. */
function refusal(variables: Record<string, string>): string {
  const { status, stderr } = spawnSync(process.execPath, [join(project, 'tools', 'start.mts')], {
    encoding: 'utf8',
    env: { PATH: bin, PORT: '0', CASSANDRA_PORT: PORT, LOCAL_JAVA_FOLDERS: '', ...variables },
    timeout: 60_000,
  });
  assert.equal(status, 1, stderr);
  const message = stderr
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('cassandra  '));
  assert.ok(message.length <= 5, stderr);
  assert.doesNotMatch(stderr, /^\s+at /m);
  return message.join('\n');
}

void test('in production it starts no database of its own', () => {
  const message = refusal({
    NODE_ENV: 'production',
    JWT_SECRET: randomBytes(48).toString('base64'),
    CASSANDRA_USERNAME: 'crm',
    CASSANDRA_PASSWORD: 'a-password-of-its-own',
    SMTP_URL: 'smtp://mail.example.com',
  });
  assert.match(message, /CASSANDRA_CONTACT_POINTS/);
  // Which it would need, and there is none.
  assert.doesNotMatch(message, /Java/);
});

void test('without Java it says which one to install', () => {
  assert.match(refusal({}), /needs Java 17\. Found none\.[\s\S]*openjdk-17[\s\S]*JAVA_HOME/);
});

void test('with another Java it says which one it found', () => {
  program('java', 'echo \'openjdk version "21.0.1" 2023-10-17\' >&2');
  assert.match(refusal({}), /needs Java 17\. Found Java 21\./);
});

void test('without Maven it says how to get it', () => {
  program('java', 'echo \'openjdk version "17.0.15" 2025-04-15\' >&2');
  assert.match(refusal({}), /no "mvn" on the PATH[\s\S]*apt install maven/);
});

void test('with a Maven that fetches nothing it shows why', () => {
  program('mvn', 'echo "[ERROR] Could not transfer artifact: unknown host" && exit 1');
  assert.match(refusal({}), /could not fetch Cassandra[\s\S]*unknown host[\s\S]*network/);
});

void test('with a Java that ends at once it shows its last words', () => {
  program('mvn', 'for a; do case $a in -DoutputDirectory=*) mkdir -p "${a#*=}";; esac; done');
  program(
    'java',
    'if [ "$1" = -version ]; then echo \'openjdk version "17"\' >&2; else echo "Error: no heap"; exit 1; fi',
  );
  program('mkdir', 'exec /bin/mkdir "$@"');
  program('ps', 'exec /bin/ps "$@"');
  assert.match(refusal({}), /ended while it was starting:[\s\S]*no heap[\s\S]*system\.log/);
});

void test('with its port taken it offers the server that is there, or another port', async (context) => {
  const squatter = createServer();
  context.after(() => squatter.close());
  const port = await new Promise<number>((resolve) => {
    squatter.listen(0, '127.0.0.1', () => {
      const address = squatter.address();
      resolve(address !== null && typeof address === 'object' ? address.port : 0);
    });
  });
  assert.match(
    refusal({ CASSANDRA_PORT: String(port) }),
    /is taken by another program[\s\S]*CASSANDRA_CONTACT_POINTS[\s\S]*CASSANDRA_PORT/,
  );
  assert.match(
    refusal({ PORT: String(port) }),
    /is taken by another program[\s\S]*PORT=\d+ npm start/,
  );
});
