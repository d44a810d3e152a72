import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import type { AppConfig } from '../config/app-config';
import { connect, StartupError } from './connect';
import { defineQuery } from './define-query';
import { Lease } from './lease';
import { type Migration, readMigrations } from './migration-files';
import {
  createTableCql,
  createUnlocked,
  executeDdl,
  keyspaceExists,
  tableExists,
  whileSchemaSettles,
} from './schema';

const LEASE_PATIENCE_MS = 180_000;
const KEYSPACE_PATIENCE_MS = 60_000;

interface HistoryRow {
  version: number;
  name: string;
  checksum: string;
  state: 'running' | 'done';
  /** Statements of the file that are finished: where a crashed run goes on. */
  statements_done: number;
  finished_at: Date | null;
}

const history = defineQuery<HistoryRow>(
  'schema_migrations.list',
  `SELECT version, name, checksum, state, statements_done, finished_at
   FROM schema_migrations WHERE scope = 'schema'`,
);
const record = defineQuery(
  'schema_migrations.record',
  `INSERT INTO schema_migrations
   (scope, version, name, checksum, state, statements_done, applied_by, started_at, finished_at)
   VALUES ('schema', :version, :name, :checksum, :state, :statements_done, :applied_by, :started_at, :finished_at)`,
);

/** The tables the migrator itself stands on; everything else is in `migrations/`. */
const LEASES_COLUMNS = 'name text PRIMARY KEY, owner uuid, renewed_at timestamp';
const HISTORY_COLUMNS = `scope text, version int, name text, checksum text, state text,
  statements_done int, applied_by text, started_at timestamp, finished_at timestamp,
  PRIMARY KEY ((scope), version)`;

export interface MigrationStatus {
  migration: Migration;
  state: 'done' | 'unfinished' | 'pending';
  finishedAt: Date | null;
}

type Log = (message: string) => void;

/** Compares the files with what the cluster has. A contradiction between the two is refused. */
function compare(files: Migration[], rows: HistoryRow[]): MigrationStatus[] {
  for (const row of rows) {
    const file = files[row.version - 1];
    const title = `${String(row.version).padStart(4, '0')}_${row.name}`;
    if (!file) {
      throw new StartupError(
        `The database has migration ${title}, which this version of the program does not know.\n` +
          'Start the newer version, or restore the file.',
      );
    }
    if (file.checksum !== row.checksum) {
      throw new StartupError(
        `migrations/${title}.cql was changed after it had been applied.\n` +
          'Restore the file and put the change into a new migration.',
      );
    }
  }
  const byVersion = new Map(rows.map((row) => [row.version, row]));
  return files.map((migration) => {
    const row = byVersion.get(migration.version);
    const state = !row ? 'pending' : row.state === 'done' ? 'done' : 'unfinished';
    return { migration, state, finishedAt: row?.finished_at ?? null };
  });
}

async function readHistory(client: Client): Promise<HistoryRow[]> {
  if (!(await tableExists(client, 'schema_migrations'))) return [];
  const result = await whileSchemaSettles(() =>
    client.execute(history.cql, {}, { prepare: true, isIdempotent: true }),
  );
  return result.rows as unknown as HistoryRow[];
}

async function ensureKeyspace(config: AppConfig['cassandra'], log: Log): Promise<void> {
  const client = await connect(config, undefined, log);
  try {
    const exists = () => keyspaceExists(client, config.keyspace);
    if (await exists()) return;
    log(`creating keyspace ${config.keyspace}`);
    const dataCentre = config.datacenter.replaceAll("'", "''");
    await createUnlocked(
      client,
      exists,
      `CREATE KEYSPACE IF NOT EXISTS ${config.keyspace} WITH replication =
       {'class': 'NetworkTopologyStrategy', '${dataCentre}': ${String(config.replicationFactor)}}`,
    );
  } finally {
    await client.shutdown();
  }
}

/** A keyspace that another process has just created may take a moment to be there for all. */
async function connectToKeyspace(config: AppConfig['cassandra'], log: Log): Promise<Client> {
  const giveUpAt = Date.now() + KEYSPACE_PATIENCE_MS;
  for (;;) {
    try {
      return await connect(config, config.keyspace, log);
    } catch (error) {
      const missing = error instanceof StartupError && error.message.includes('does not exist');
      if (!missing || Date.now() > giveUpAt) throw error;
      await sleep(300);
    }
  }
}

/**
 * A run that was cut off may have got as far as this. Tables are created IF NOT EXISTS; for columns
 * there is no such word in all versions.
 */
async function executeOnce(client: Client, statement: string): Promise<void> {
  try {
    await executeDdl(client, statement);
  } catch (error) {
    const isThere = /already exists|conflicts with an existing column/.test(String(error));
    if (!isThere || !/^ALTER TABLE \w+ ADD /i.test(statement)) throw error;
  }
}

async function apply(client: Client, migration: Migration, done: number, log: Log, lease: Lease) {
  const startedAt = new Date();
  const write = (state: HistoryRow['state'], statementsDone: number) => {
    const params = {
      version: migration.version,
      name: migration.name,
      checksum: migration.checksum,
      state,
      statements_done: statementsDone,
      applied_by: hostname(),
      started_at: startedAt,
      finished_at: state === 'done' ? new Date() : null,
    };
    return whileSchemaSettles(() =>
      client.execute(record.cql, params, { prepare: true, isIdempotent: true }),
    );
  };
  for (const [index, statement] of migration.statements.entries()) {
    if (index < done) continue;
    lease.check();
    await write('running', index);
    await executeOnce(client, statement);
  }
  lease.check();
  await write('done', migration.statements.length);
  log(`migrated ${String(migration.version).padStart(4, '0')}_${migration.name}`);
}

/**
 * Creates the keyspace and applies what is missing. Safe with any number of processes at once:
 * one of them works under a lease, the others wait for it. A run that was cut off goes on where
 * it stopped.
 */
export async function migrate(
  config: AppConfig['cassandra'],
  log: Log,
  files: Migration[] = readMigrations(),
): Promise<void> {
  await ensureKeyspace(config, log);
  const client = await connectToKeyspace(config, log);
  try {
    const isDone = (status: MigrationStatus[]) => status.every((one) => one.state === 'done');
    if (isDone(compare(files, await readHistory(client)))) return;
    await createUnlocked(
      client,
      () => tableExists(client, 'leases'),
      createTableCql(client, 'leases', LEASES_COLUMNS),
    );
    await Lease.hold(client, 'migrate', LEASE_PATIENCE_MS, async (lease) => {
      await executeDdl(client, createTableCql(client, 'schema_migrations', HISTORY_COLUMNS));
      const rows = await readHistory(client);
      for (const { migration, state } of compare(files, rows)) {
        if (state === 'done') continue;
        const done = rows.find((row) => row.version === migration.version)?.statements_done ?? 0;
        await apply(client, migration, done, log, lease);
      }
    });
  } finally {
    await client.shutdown();
  }
}

/** What is applied and what is not. Changes nothing. @throws StartupError on a contradiction */
export async function migrationStatus(
  config: AppConfig['cassandra'],
  log: Log,
  files: Migration[] = readMigrations(),
): Promise<MigrationStatus[]> {
  const client = await connect(config, config.keyspace, log);
  try {
    return compare(files, await readHistory(client));
  } finally {
    await client.shutdown();
  }
}

/** For servers that must not migrate: @throws StartupError unless everything is applied. */
export async function verifySchema(client: Client): Promise<void> {
  const status = compare(readMigrations(), await readHistory(client));
  const missing = status.filter((one) => one.state !== 'done');
  if (missing.length > 0) {
    throw new StartupError(
      `The database lacks ${String(missing.length)} migration(s). Apply them with: npm run migrate`,
    );
  }
}
