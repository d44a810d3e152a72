// The runbook of docs/operations.md, on a real cluster of three nodes, while clients write:
// npm run test:runbook
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Server, startServer } from '../../bench/server.mts';
import { acquireCluster, type Cluster, loadPlan } from '../../tools/local-cassandra/cluster.mts';
import { HOME, PROJECT } from '../../tools/local-cassandra/common.mts';
import { findJava } from '../../tools/local-cassandra/java.mts';
import { ensureJars } from '../../tools/local-cassandra/jars.mts';
import { startNode, stopNode, waitForLogin } from '../../tools/local-cassandra/node.mts';
import type { NodeSpec } from '../../tools/local-cassandra/node-config.mts';
import { nodetool } from '../../tools/local-cassandra/nodetool.mts';
import { freePorts } from '../../tools/local-cassandra/ports.mts';
import { say } from '../../tools/terminal.mts';
import { Writers } from './writers.mts';

const KEYSPACE = 'crm';
const RESTORED = 'crm_restored';
const SNAPSHOT = 'before-the-fault';
/** What `repair` makes anew from the records, if it is not newer than they are. */
const DERIVED = `${KEYSPACE}.list_rows,${KEYSPACE}.total_rows`;
const SOME_MS = Number(process.env.WRITE_SECONDS ?? 15) * 1000;
/** Written by every start of a server; what is restored must not name the tables of another time. */
const NOT_RESTORED = ['schema_migrations', 'leases'];

let cluster: Cluster;
let nodes: NodeSpec[];
let server: Server;
let token: string;
const organizationId = `org_${randomUUID()}`;
const account = { organization_id: organizationId, email: 'a@example.com', password: randomUUID() };

async function call(path: string, body?: object): Promise<unknown> {
  const response = await fetch(server.url + path, {
    method: body ? 'POST' : 'GET',
    headers: {
      'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${path} answered ${await response.text()}`);
  return response.json();
}

async function signIn(path: string): Promise<void> {
  token = '';
  const answer = (await call(path, account)) as { data: { access_token: string } };
  token = answer.data.access_token;
}

const environment = (keyspace: string) => ({
  ...cluster.variables,
  CASSANDRA_KEYSPACE: keyspace,
  CASSANDRA_REPLICATION_FACTOR: '3',
  WORKERS: 'on',
});

/** `npm run NAME`, as an operator does. */
async function command(name: string, keyspace: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(PROJECT, 'dist', 'cli', `${name}.js`), ...args],
    { env: { ...process.env, ...environment(keyspace), LOG_LEVEL: 'warn' }, cwd: PROJECT },
  );
  return stdout;
}

/** Every acknowledged version is there, or a later one of the same record. */
async function expectAll(acknowledged: Writers['acknowledged']): Promise<void> {
  for (const [id, { version, title }] of acknowledged) {
    const { data } = (await call(`/api/v1/contacts/${id}`)) as {
      data: { version: number; title: string };
    };
    assert.ok(data.version >= version, `${id} has lost version ${String(version)}`);
    if (data.version === version) assert.equal(data.title, title);
  }
}

async function countOfStatus(state: string): Promise<number> {
  const [first] = nodes;
  assert.ok(first);
  const lines = (await nodetool(first, 'status')).split('\n');
  return lines.filter((line) => line.startsWith(`${state} `)).length;
}

before(async () => {
  cluster = await acquireCluster({ nodes: 3, ephemeral: true, log: say });
  nodes = loadPlan(join(HOME, `run-${String(process.pid)}`));
  server = await startServer(environment(KEYSPACE));
  await signIn('/api/auth/register');
});

after(async () => {
  await server.stop();
  await cluster.release();
});

void test('a snapshot is restored into a keyspace of its own, and nothing of it is missing', async () => {
  const writers = new Writers(server.url, token);
  await sleep(SOME_MS);
  const acknowledged = new Map(writers.acknowledged);
  for (const what of [['-kt', DERIVED], [KEYSPACE]]) {
    const tag = what.length === 1 ? SNAPSHOT : `${SNAPSHOT}-derived`;
    await Promise.all(nodes.map((node) => nodetool(node, 'snapshot', '-t', tag, ...what)));
  }
  await sleep(2000);
  await writers.stop();
  assert.deepEqual(writers.faults, []);
  say(`${String(acknowledged.size)} contacts in the snapshot, ${JSON.stringify(writers.counts)}`);
  await server.stop();

  await command('migrate', RESTORED);
  for (const node of nodes) {
    const folder = join(node.folder, 'data', 'data', KEYSPACE);
    for (const entry of readdirSync(folder)) {
      const table = entry.slice(0, entry.lastIndexOf('-'));
      const snapshots = join(folder, entry, 'snapshots');
      const first = join(snapshots, `${SNAPSHOT}-derived`);
      const files = existsSync(first) ? first : join(snapshots, SNAPSHOT);
      if (NOT_RESTORED.includes(table) || !existsSync(files)) continue;
      if (!readdirSync(files).some((name) => name.endsWith('-Data.db'))) continue;
      await nodetool(node, 'import', '--copy-data', RESTORED, table, files);
    }
  }
  for (const node of nodes) await nodetool(node, 'repair', '--full', '-pr', RESTORED);
  server = await startServer(environment(RESTORED));
  await signIn('/api/auth/login');
  await expectAll(acknowledged);
  say(await command('repair', RESTORED, '--organization', organizationId));
  say(await command('verify', RESTORED, '--organization', organizationId));
});

void test('every node is drained and started again, and no client fails', async () => {
  const writers = new Writers(server.url, token);
  await sleep(SOME_MS);
  const java = findJava();
  const jars = await ensureJars(java, say);
  for (const node of nodes) {
    await nodetool(node, 'drain');
    await stopNode(node.folder, say);
    await sleep(SOME_MS / 3);
    await startNode(node, java, jars);
    await waitForLogin(node);
    while ((await countOfStatus('UN')) < 3) await sleep(1000);
  }
  await writers.stop();
  say(JSON.stringify(writers.counts));
  assert.deepEqual(writers.faults, []);
  await expectAll(writers.acknowledged);
});

void test('a fourth node comes and goes, and no client fails', async () => {
  const writers = new Writers(server.url, token);
  const [first] = nodes;
  assert.ok(first);
  const [jmxPort = 0] = await freePorts(1);
  const folder = join(first.folder, '..', 'node4');
  const fourth: NodeSpec = { ...first, folder, address: '127.0.0.4', jmxPort };
  const java = findJava();
  await startNode(fourth, java, await ensureJars(java, say));
  while ((await countOfStatus('UN')) < 4) await sleep(1000);
  say(await nodetool(first, 'status', RESTORED));
  for (const node of nodes) await nodetool(node, 'cleanup', RESTORED);
  await sleep(SOME_MS);
  await nodetool(fourth, 'decommission');
  await stopNode(fourth.folder, say);
  assert.equal(await countOfStatus('UN'), 3);
  await sleep(SOME_MS / 3);
  await writers.stop();
  say(JSON.stringify(writers.counts));
  assert.deepEqual(writers.faults, []);
  await expectAll(writers.acknowledged);
  say(await command('verify', RESTORED, '--organization', organizationId));
});
