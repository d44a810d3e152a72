import { randomBytes } from 'node:crypto';
import { type AppConfig, toAppConfig } from '../../src/config/app-config';
import { readEnvironment } from '../../src/config/read-environment';

/** One keyspace for all tests: each test makes organizations of its own in it. */
export const TEST_KEYSPACE = 'crm_test';

/** Where the database is: set by tools/with-cassandra, or by hand for a server that is there. */
export function databaseVariables(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith('CASSANDRA_'));
  if (!names.includes('CASSANDRA_CONTACT_POINTS')) {
    throw new Error('These tests need a database: run them by npm test, test:int or test:e2e');
  }
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? '']));
}

export const TEST_SECRET = randomBytes(48).toString('base64');

/** The environment of a server under test. Passwords are hashed at bcrypt's lowest cost. */
export function testEnvironment(overrides: Record<string, string> = {}): Record<string, string> {
  return {
    ...databaseVariables(),
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    CASSANDRA_KEYSPACE: TEST_KEYSPACE,
    CASSANDRA_CONNECT_TIMEOUT: '5',
    MIGRATE_ON_START: 'off',
    // Work that is not the test's own would be done by whichever server is first.
    WORKERS: 'off',
    // All tests come from one address.
    RATE_LIMITS: 'off',
    // Some tests hold requests until others have come.
    CONCURRENT_REQUESTS: '0',
    JWT_SECRET: TEST_SECRET,
    BCRYPT_COST: '4',
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'trace',
    ...overrides,
  };
}

export function testConfig(overrides: Record<string, string> = {}): AppConfig {
  return toAppConfig(readEnvironment(testEnvironment(overrides)));
}
