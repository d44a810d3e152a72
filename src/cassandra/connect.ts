import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, errors } from 'cassandra-driver';
import type { AppConfig } from '../config/app-config';
import { createClient } from './client';

/** A start that cannot succeed. The message is for the person who started the process. */
export class StartupError extends Error {}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;

function inner(error: unknown): unknown[] {
  return error instanceof errors.NoHostAvailableError
    ? Object.values((error.innerErrors ?? {}) as Record<string, unknown>)
    : [];
}

/** Faults that waiting does not mend, in words that say what to change. */
function permanentFault(error: unknown, config: AppConfig['cassandra']): StartupError | undefined {
  const all = [error, ...inner(error)];
  if (all.some((one) => one instanceof errors.AuthenticationError)) {
    return new StartupError(
      `Cassandra refused the login of user "${config.username}".\n` +
        'Check CASSANDRA_USERNAME and CASSANDRA_PASSWORD.',
    );
  }
  const texts = all.map((one) => (one instanceof Error ? one.message : ''));
  const dataCentres = texts.map((text) => /only found hosts in data centers: \[(.*)\]/.exec(text));
  const found = dataCentres.find((match) => match !== null);
  if (found) {
    return new StartupError(
      `The cluster has no data centre "${config.datacenter}" (it has: ${found[1] ?? ''}).\n` +
        'Set CASSANDRA_DATACENTER to the one next to this server.',
    );
  }
  if (texts.some((text) => /keyspace.*does not exist/i.test(text))) {
    return new StartupError(
      `The keyspace "${config.keyspace}" does not exist yet.\n` +
        'Create it with: npm run migrate (or set MIGRATE_ON_START=on, or check CASSANDRA_KEYSPACE).',
    );
  }
  return undefined;
}

/**
 * Connects, with growing pauses between the attempts until the time is over: a database that
 * starts beside the server needs a while.
 * @throws StartupError with what to do about it
 */
export async function connect(
  config: AppConfig['cassandra'],
  keyspace: string | undefined,
  log: (message: string) => void,
): Promise<Client> {
  const giveUpAt = Date.now() + config.connectTimeoutMs;
  const where = `${config.contactPoints.join(', ')} port ${String(config.port)}`;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const client = createClient(config, keyspace);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.shutdown().catch(() => undefined);
      const fault = permanentFault(error, config);
      if (fault) throw fault;
      if (Date.now() + pause > giveUpAt) {
        throw new StartupError(
          `No Cassandra answers at ${where}.\n` +
            'Start one (npm run db) or correct CASSANDRA_CONTACT_POINTS and CASSANDRA_PORT;\n' +
            'with CASSANDRA_CONTACT_POINTS unset, npm start brings its own.',
        );
      }
      log(`Cassandra at ${where} does not answer yet, trying again`);
      await sleep(pause);
    }
  }
}
