import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'cassandra-driver';
import '../../src/app.module';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { connect } from '../../src/cassandra/connect';
import { allQueries } from '../../src/cassandra/define-query';
import { readMigrations } from '../../src/cassandra/migration-files';
import { queryFiles } from '../../src/cassandra/query-files';
import { TEST_KEYSPACE, testConfig } from '../support/config';

/** The statements that belong to no organization. A new one has to be entered here, on purpose. */
const WITHOUT_ORGANIZATION = [
  // Attempts of people who have not said who they are, or may lie about it.
  'attempts.clear',
  'attempts.insert',
  'attempts.list',
  'attempts.remove',
  // Read by the sequencer, which works for all of them.
  'change_outbox.clear',
  'change_outbox.count',
  'change_outbox.filled',
  'change_outbox.insert',
  'change_outbox.list',
  'erasures.add',
  'erasures.list',
  // Read by the workers, which work for all of them.
  'job_queue.list',
  'leases.release',
  'leases.renew',
  'leases.take',
  // A queue for all of them: read by the sender, which works for no organization in particular.
  'mail_queue.insert',
  'mail_queue.list',
  'mail_queue.remove',
  'schema_migrations.list',
  'schema_migrations.record',
  'sequencers.find',
  'sequencers.put',
  'sweeps.find',
  'sweeps.put',
  'system.ping',
  // Read by the dispatcher, which works for all of them.
  'webhook_shards.list',
  'webhook_shards.mark',
  // Read by the sweeper, which works for all of them.
  'write_intents.insert',
  'write_intents.list',
  'write_intents.remove',
];
const SYSTEM_TABLES = [
  'attempts',
  'change_outbox',
  'erasures',
  'job_queue',
  'leases',
  'mail_queue',
  'schema_migrations',
  'sequencers',
  'sweeps',
  'system',
  'webhook_shards',
  'write_intents',
];

/**
 * Tables of the tenant's that an erasure leaves to expire, and why. Nobody reads them any more:
 * access has ended, and the id of the organization is never given out again.
 */
const EXPIRE_BY_THEMSELVES = [
  // Partitions by what the caller made up: they cannot be listed. Encrypted, and gone after a day.
  'idempotency',
];
const DAY_SECONDS = 86_400;

/** Reads that are small for other reasons. A new one has to be entered here, on purpose. */
const BOUNDED_OTHERWISE = [
  // One row is at a position.
  'changes.findAppend',
  // A row for each migration.
  'schema_migrations.list',
  'system.ping',
  // A row for each process that has written within the hour.
  'total_sums.find',
];

/** What only one of Cassandra and ScyllaDB knows, or what costs more the more there is. */
const FORBIDDEN =
  /ALLOW FILTERING|SELECT \*|MATERIALIZED VIEW|CREATE (CUSTOM )?INDEX|\bSAI\b|\bLIKE\b|USING TIMEOUT|CREATE FUNCTION|BYPASS CACHE/i;

describe('Every statement of the registry', () => {
  const queries = allQueries();
  let client: Client;
  beforeAll(async () => {
    client = await connect(testConfig().cassandra, TEST_KEYSPACE, () => undefined);
  });
  afterAll(() => client.shutdown());

  it('binds the organization, but for those on the list', () => {
    const without = queries.filter(
      ({ cql }) =>
        !/\borganization_id = :organization_id\b/.test(cql) &&
        !/INSERT INTO \w+ \(organization_id,.* VALUES \(:organization_id,/.test(cql),
    );
    expect(without.map(({ name }) => name)).toEqual(WITHOUT_ORGANIZATION);
  });

  it('stays within the CQL that Cassandra and ScyllaDB share, and scans nothing', () => {
    for (const { name, cql } of queries)
      expect([name, cql]).not.toEqual([name, expect.stringMatching(FORBIDDEN)]);
    for (const { name, statements } of readMigrations()) {
      for (const statement of statements) {
        expect([name, statement]).not.toEqual([name, expect.stringMatching(FORBIDDEN)]);
        // A run that was cut off repeats its last statement; the migrator takes a column that is there.
        expect(statement).toMatch(
          /^(CREATE|DROP) \w+ IF (NOT )?EXISTS |^ALTER TABLE \w+ (ADD \w+ \w+$|WITH )/,
        );
      }
    }
  });

  it('reads no more than its key or its limit says, since there are no pages', async () => {
    const { rows } = await client.execute(
      'SELECT table_name, column_name, kind FROM system_schema.columns WHERE keyspace_name = ?',
      [TEST_KEYSPACE],
      { prepare: true },
    );
    const columns = rows as unknown as {
      table_name: string;
      column_name: string;
      kind: string;
    }[];
    const isBounded = (cql: string) => {
      const [, distinct, table, where] =
        /^SELECT (DISTINCT )?.* FROM ([\w.]+) WHERE (.*)$/.exec(cql) ?? [];
      const kinds = distinct ? ['partition_key'] : ['partition_key', 'clustering'];
      const key = columns.filter((one) => one.table_name === table && kinds.includes(one.kind));
      return (
        key.length > 0 &&
        key.every(({ column_name }) => new RegExp(`\\b${column_name} (=|IN) :`).test(where ?? ''))
      );
    };
    const unbounded = queries.filter(
      ({ cql }) =>
        cql.startsWith('SELECT') &&
        !/ LIMIT (:size|1\b)/.test(cql) &&
        !/^SELECT count\(/.test(cql) &&
        !isBounded(cql),
    );
    expect(unbounded.map(({ name }) => name)).toEqual(BOUNDED_OTHERWISE);
  });

  it('is LWT-only or LWT-never in its writes, table by table', () => {
    const kinds = new Map<string, Set<boolean>>();
    for (const { name, cql } of queries) {
      // Written when nothing else is ever written there again.
      if (name.endsWith('.erase')) continue;
      const table = /^(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)/.exec(cql)?.[1];
      if (table === undefined) continue;
      const conditional = /\bIF (NOT )?(EXISTS|\w+ =)/.test(cql);
      kinds.set(table, (kinds.get(table) ?? new Set()).add(conditional));
    }
    expect(kinds.size).toBeGreaterThan(3);
    for (const [table, kind] of kinds) expect([table, kind.size]).toEqual([table, 1]);
  });

  it('writes to what expires by itself only what does, and all of a row at once', async () => {
    for (const table of EXPIRE_BY_THEMSELVES) {
      const { rows } = await client.execute(
        'SELECT column_name, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?',
        [TEST_KEYSPACE, table],
        { prepare: true },
      );
      const columns = (rows as unknown as { column_name: string; kind: string }[])
        .filter(({ kind }) => kind !== 'partition_key' && kind !== 'clustering')
        .map(({ column_name }) => column_name);
      expect(columns.length).toBeGreaterThan(0);
      const writes = queries.filter(({ cql }) =>
        new RegExp(`^(INSERT INTO|UPDATE) ${table}\\b`).test(cql),
      );
      expect(writes.length).toBeGreaterThan(0);
      for (const { name, cql } of writes) {
        expect([name, cql]).toEqual([
          name,
          expect.stringMatching(new RegExp(`\\bUSING TTL ${String(DAY_SECONDS)}\\b`)),
        ]);
        const written = /^INSERT INTO \w+ \(([^)]*)\)|\bSET (.*) WHERE /.exec(cql);
        const names = (written?.[1] ?? written?.[2] ?? '')
          .split(', ')
          .map((part) => part.split(' ', 1)[0]);
        expect([name, names]).toEqual([name, expect.arrayContaining(columns)]);
      }
      // And what is written without a word about it by somebody else.
      const settings = await client.execute(
        'SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?',
        [TEST_KEYSPACE, table],
        { prepare: true },
      );
      expect(settings.first().get('default_time_to_live')).toBe(DAY_SECONDS);
    }
  });

  it('is in docs/queries as it is in the code (npm run gen)', () => {
    const folder = join(__dirname, '..', '..', 'docs', 'queries');
    const files = new Map(
      readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
    );
    expect(files).toEqual(queryFiles());
  });

  it('is understood by the database', async () => {
    const { cassandra } = testConfig();
    const client = await connect(cassandra, TEST_KEYSPACE, () => undefined);
    const service = new CassandraService(client, TEST_KEYSPACE);
    try {
      await service.prepareAll();
    } finally {
      await service.onApplicationShutdown();
    }
  });

  it('D5: works on tables whose partitions begin with the organization', async () => {
    const { rows } = await client.execute(
      'SELECT table_name, column_name, kind, position FROM system_schema.columns WHERE keyspace_name = ?',
      [TEST_KEYSPACE],
      { prepare: true },
    );
    const first = (rows as unknown as Record<string, unknown>[]).filter(
      ({ kind, position }) => kind === 'partition_key' && position === 0,
    );
    const tenant = first.filter(({ table_name }) => !SYSTEM_TABLES.includes(String(table_name)));
    expect(tenant.length).toBeGreaterThan(3);
    for (const { table_name, column_name } of tenant) {
      expect([table_name, column_name]).toEqual([table_name, 'organization_id']);
    }
    // The organization's own row stays as its tombstone; everything else goes with it, or after it.
    const erased = queries
      .map(({ name }) => name.split('.'))
      .filter(([, purpose]) => purpose === 'erase');
    expect(
      erased
        .map(([table]) => table)
        .concat('organizations', EXPIRE_BY_THEMSELVES)
        .sort(),
    ).toEqual(tenant.map(({ table_name }) => table_name).sort());
  });
});
