import { randomBytes } from 'node:crypto';
import { connect } from '../../src/cassandra/connect';
import { migrate } from '../../src/cassandra/migrator';
import { testConfig } from './config';

/** The name of a keyspace that no other test has. */
export const newKeyspaceName = () => `test_${randomBytes(6).toString('hex')}`;

/** Drops a keyspace, if it is there. */
export async function dropKeyspace(keyspace: string): Promise<void> {
  const client = await connect(testConfig().cassandra, undefined, () => undefined);
  // Takes longer than the statements of a request may.
  await client.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], { executionProfile: 'ddl' });
  await client.shutdown();
}

/**
 * A keyspace with all tables for the tests of the block that calls this, before its other hooks: made
 * before them, and dropped after those of the blocks in it. For what one process of all that share a
 * keyspace does. @returns its name
 */
export function ownKeyspace(): string {
  const keyspace = newKeyspaceName();
  const { cassandra } = testConfig({ CASSANDRA_KEYSPACE: keyspace });
  beforeAll(() => migrate(cassandra, () => undefined), 120_000);
  afterAll(() => dropKeyspace(keyspace), 60_000);
  return keyspace;
}
