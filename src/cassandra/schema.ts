import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, errors } from 'cassandra-driver';
import { v5 as idFromName } from 'uuid';
import { StartupError } from './connect';

const AGREEMENT_LIMIT_MS = 60_000;
const RETRY_PAUSE_MS = 200;
/** Processes that start together spread their first look over this time. */
const JITTER_MS = 500;
/** Any constant will do; another one would give the same table another id. */
const ID_NAMESPACE = '5d7d2a7e-6b1c-4c0b-9a53-0b8f6f7f3a11';

/**
 * True for the errors of a node that is just learning of a table: it names the table already and
 * cannot serve it yet ("Unknown CF"), or other nodes know the table and this one does not.
 */
function isSchemaInFlux(error: unknown): boolean {
  if (error instanceof errors.NoHostAvailableError) {
    return Object.values((error.innerErrors ?? {}) as Record<string, unknown>).some(isSchemaInFlux);
  }
  if (!(error instanceof errors.ResponseError)) return false;
  return /unknown (cf|table|keyspace)|unconfigured table|does not exist|id mismatch/i.test(
    error.message,
  );
}

/**
 * Runs work on tables that are there, or will be at any moment, and again for as long as nodes
 * are still learning of them. The work must be such that it can be repeated.
 */
export async function whileSchemaSettles<T>(work: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + AGREEMENT_LIMIT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isSchemaInFlux(error) || Date.now() > giveUpAt) throw error;
      await sleep(RETRY_PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

/** DDL returns before all nodes know of it; the next statement must not overtake it. */
export async function executeDdl(client: Client, cql: string): Promise<void> {
  const result = await client.execute(cql, [], { prepare: false, executionProfile: 'ddl' });
  // Both are documented and missing from the driver's type definitions.
  const { isSchemaInAgreement } = result.info as unknown as { isSchemaInAgreement: boolean };
  const metadata = client.metadata as unknown as { checkSchemaAgreement(): Promise<boolean> };
  let agreed = isSchemaInAgreement;
  const giveUpAt = Date.now() + AGREEMENT_LIMIT_MS;
  while (!agreed) {
    if (Date.now() > giveUpAt) {
      throw new StartupError(
        'The nodes of the cluster do not agree on the schema.\n' +
          'Check that all of them are up (nodetool describecluster), then run the migration again.',
      );
    }
    await sleep(500);
    agreed = await metadata.checkSchemaAgreement();
  }
}

export async function keyspaceExists(client: Client, keyspace: string): Promise<boolean> {
  const found = await client.execute(
    'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?',
    [keyspace],
    { prepare: true },
  );
  return found.rowLength > 0;
}

export async function tableExists(client: Client, table: string): Promise<boolean> {
  const found = await client.execute(
    'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?',
    [client.keyspace, table],
    { prepare: true },
  );
  return found.rowLength > 0;
}

/**
 * Creates what locks stand on, where nothing can be locked yet: only where it is missing, and
 * after a pause of random length in which another process may have done so.
 */
export async function createUnlocked(
  client: Client,
  exists: () => Promise<boolean>,
  cql: string,
): Promise<void> {
  if (await exists()) return;
  await sleep(Math.random() * JITTER_MS);
  await whileSchemaSettles(async () => {
    if (!(await exists())) await executeDdl(client, cql);
  });
}

/**
 * `CREATE TABLE` with an id that follows from the name. Two nodes that are asked to create a table
 * at once each give it an id of their own and its rows part; with this they create the same one.
 */
export function createTableCql(client: Client, table: string, columns: string): string {
  const id = idFromName(`${client.keyspace}.${table}`, ID_NAMESPACE);
  return `CREATE TABLE IF NOT EXISTS ${table} (${columns}) WITH id = '${id}'`;
}
