import { migrate } from '../../src/cassandra/migrator';
import { resetRunLog } from './run-log';
import { testConfig } from './config';

/** Brings the keyspace of the tests up to date, once for all of them. */
export default async function globalSetup(): Promise<void> {
  resetRunLog();
  await migrate(testConfig().cassandra, () => undefined);
}
