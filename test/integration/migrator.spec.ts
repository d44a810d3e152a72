import type { Client } from 'cassandra-driver';
import { connect } from '../../src/cassandra/connect';
import { type Migration, readMigrations } from '../../src/cassandra/migration-files';
import { migrate, migrationStatus } from '../../src/cassandra/migrator';
import { testConfig } from '../support/config';
import { newKeyspaceName } from '../support/own-keyspace';
import { runProgram } from '../support/process';

/** Creating and dropping takes longer than the statements of a request may. */
const ddl = { executionProfile: 'ddl' };

const quiet = () => undefined;

describe('The migrator', () => {
  const keyspaces: string[] = [];
  let admin: Client;
  const fresh = () => {
    const keyspace = newKeyspaceName();
    keyspaces.push(keyspace);
    return keyspace;
  };
  const configOf = (keyspace: string) => testConfig({ CASSANDRA_KEYSPACE: keyspace }).cassandra;

  beforeAll(async () => {
    admin = await connect(testConfig().cassandra, undefined, quiet);
  });
  afterAll(async () => {
    for (const keyspace of keyspaces)
      await admin.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], ddl);
    await admin.shutdown();
  });

  const historyOf = async (keyspace: string) =>
    (
      await admin.execute(
        `SELECT version, name, state, checksum FROM ${keyspace}.schema_migrations WHERE scope = 'schema'`,
      )
    ).rows as unknown as { version: number; name: string; state: string; checksum: string }[];

  const migration = (version: number, ...statements: string[]): Migration => ({
    version,
    name: `step${String(version)}`,
    checksum: `sum-of-${statements.join()}`,
    statements,
  });

  it('lets five processes start at once: one applies, all succeed, each migration once', async () => {
    const keyspace = fresh();
    const programs = Array.from({ length: 5 }, () =>
      runProgram(['dist/cli/migrate.js'], { CASSANDRA_KEYSPACE: keyspace }),
    );
    const codes = await Promise.all(programs.map(({ ended }) => ended));
    const failed = programs.filter((_, index) => codes[index] !== 0);
    expect(failed.map(({ output }) => output())).toEqual([]);
    const applied = programs.flatMap(({ output }) => output().match(/migrated \d{4}_\w+/g) ?? []);
    const files = readMigrations();
    expect(applied.sort()).toEqual(
      files.map(({ version, name }) => `migrated ${String(version).padStart(4, '0')}_${name}`),
    );
    const history = await historyOf(keyspace);
    expect(history.map(({ state }) => state)).toEqual(files.map(() => 'done'));
    expect(history.map(({ checksum }) => checksum)).toEqual(files.map(({ checksum }) => checksum));
  });

  it('gives the tables that no lock protects the same id, whoever creates them', async () => {
    const keyspace = fresh();
    const files = [migration(1, 'CREATE TABLE IF NOT EXISTS a (k int PRIMARY KEY)')];
    const idsAfterMigration = async () => {
      await migrate(configOf(keyspace), quiet, files);
      const { rows } = await admin.execute(
        `SELECT table_name, id FROM system_schema.tables WHERE keyspace_name = '${keyspace}'
         AND table_name IN ('leases', 'schema_migrations')`,
      );
      await admin.execute(`DROP KEYSPACE ${keyspace}`, [], ddl);
      return rows.map(({ id }) => String(id));
    };
    // Two nodes that are asked at once make two tables of one name, unless they agree on the id.
    const ids = await idsAfterMigration();
    expect(ids).toHaveLength(2);
    expect(await idsAfterMigration()).toEqual(ids);
  });

  it('shows what it would do, and what it has done, without doing anything', async () => {
    const keyspace = fresh();
    const run = async (...args: string[]) => {
      const program = runProgram(['dist/cli/migrate.js', ...args], {
        CASSANDRA_KEYSPACE: keyspace,
      });
      return { code: await program.ended, output: program.output() };
    };
    const early = await run('--status');
    expect(early).toMatchObject({
      code: 1,
      output: expect.stringContaining('npm run migrate') as string,
    });

    await admin.execute(
      `CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}`,
      [],
      ddl,
    );
    const plan = await run('--dry-run');
    expect(plan.code).toBe(0);
    for (const { statements } of readMigrations()) {
      for (const statement of statements) expect(plan.output).toContain(`${statement};`);
    }
    const before = await run('--status');
    expect(before.output.match(/^pending/gm)).toHaveLength(readMigrations().length);

    expect((await run()).code).toBe(0);
    const after = await run('--status');
    expect(after.output.match(/^done .*\d{4}-\d\d-\d\dT/gm)).toHaveLength(readMigrations().length);
    expect(after.output).not.toMatch(/^(pending|unfinished)/m);
    expect((await run('--dry-run')).output).not.toContain('CREATE');
    expect((await run('--nonsense')).code).toBe(2);
  });

  it('goes on where a run was cut off', async () => {
    const keyspace = fresh();
    const config = configOf(keyspace);
    const table = (name: string) => `CREATE TABLE IF NOT EXISTS ${name} (k int PRIMARY KEY)`;
    const good = [migration(1, table('a')), migration(2, table('b'), table('c'))];
    const cutOff = [
      good[0],
      { ...good[1], statements: [table('b'), 'CREATE NONSENSE'] },
    ] as Migration[];
    await expect(migrate(config, quiet, cutOff)).rejects.toThrow();
    const states = (await migrationStatus(config, quiet, good)).map(({ state }) => state);
    expect(states).toEqual(['done', 'unfinished']);

    await migrate(config, quiet, good);
    expect((await historyOf(keyspace)).map(({ state }) => state)).toEqual(['done', 'done']);
    await admin.execute(`SELECT k FROM ${keyspace}.c`);
  });

  it('adds a column that a run has added which was cut off before it could say so', async () => {
    const keyspace = fresh();
    const config = configOf(keyspace);
    const create = 'CREATE TABLE IF NOT EXISTS a (k int PRIMARY KEY)';
    const files = [migration(1, create, 'ALTER TABLE a ADD b int', 'ALTER TABLE a ADD c int')];
    await migrate(
      config,
      quiet,
      [migration(1, create)].map((one) => ({ ...one, ...files[0], statements: [create] })),
    );
    await admin.execute(
      `UPDATE ${keyspace}.schema_migrations SET state = 'running', statements_done = 1
       WHERE scope = 'schema' AND version = 1`,
    );
    await admin.execute(`ALTER TABLE ${keyspace}.a ADD b int`, [], ddl);
    await migrate(config, quiet, files);
    expect((await historyOf(keyspace)).map(({ state }) => state)).toEqual(['done']);
    await admin.execute(`SELECT k, b, c FROM ${keyspace}.a`);
    const wrong = [...files, migration(2, 'ALTER TABLE nowhere ADD b int')];
    await expect(migrate(config, quiet, wrong)).rejects.toThrow();
  });

  it('refuses a file that was changed, and a database that is ahead', async () => {
    const keyspace = fresh();
    const config = configOf(keyspace);
    const files = [
      migration(1, 'CREATE TABLE IF NOT EXISTS a (k int PRIMARY KEY)'),
      migration(2, 'CREATE TABLE IF NOT EXISTS b (k int PRIMARY KEY)'),
    ];
    await migrate(config, quiet, files);
    const changed = [{ ...files[0], checksum: 'another' }, files[1]] as Migration[];
    await expect(migrate(config, quiet, changed)).rejects.toThrow(/0001_step1\.cql was changed/);
    await expect(migrate(config, quiet, files.slice(0, 1))).rejects.toThrow(
      /0002_step2.*does not know/,
    );
    await expect(migrationStatus(config, quiet, changed)).rejects.toThrow(/was changed/);
  });

  it('waits for the lease of another run, and takes it over when that one is dead', async () => {
    const keyspace = fresh();
    const config = configOf(keyspace);
    const files = [migration(1, 'CREATE TABLE IF NOT EXISTS a (k int PRIMARY KEY)')];
    await migrate(config, quiet, []);
    await admin.execute(
      `CREATE TABLE IF NOT EXISTS ${keyspace}.leases (name text PRIMARY KEY, owner uuid, renewed_at timestamp)`,
      [],
      ddl,
    );
    await admin.execute(
      `INSERT INTO ${keyspace}.leases (name, owner) VALUES ('migrate', uuid()) IF NOT EXISTS USING TTL 3`,
    );
    const begin = Date.now();
    await migrate(config, quiet, files);
    expect(Date.now() - begin).toBeGreaterThan(1000);
    expect(await historyOf(keyspace)).toHaveLength(1);
  });
});
