// What the database says of itself, by CQL.
import { join } from 'node:path';
import cassandra from 'cassandra-driver';
import { loadPlan } from '../tools/local-cassandra/cluster.mts';
import { HOME } from '../tools/local-cassandra/common.mts';
import { nodetool } from '../tools/local-cassandra/nodetool.mts';

const TABLES_SHOWN = 8;

/** A client of the database that the servers of a benchmark use. */
export function databaseClient(): cassandra.Client {
  return new cassandra.Client({
    contactPoints: (process.env.CASSANDRA_CONTACT_POINTS ?? '127.0.0.1').split(','),
    protocolOptions: { port: Number(process.env.CASSANDRA_PORT ?? '9042') },
    localDataCenter: process.env.CASSANDRA_DATACENTER ?? 'datacenter1',
    credentials: {
      username: process.env.CASSANDRA_USERNAME ?? 'cassandra',
      password: process.env.CASSANDRA_PASSWORD ?? 'cassandra',
    },
  });
}

export async function databaseVersion(): Promise<string> {
  const client = databaseClient();
  try {
    const { rows } = await client.execute('SELECT release_version FROM system.local');
    return String(rows[0]?.get('release_version'));
  } finally {
    await client.shutdown();
  }
}

/** The largest tables of the keyspace: what they take on disk, and their largest partitions. */
export async function showTables(): Promise<void> {
  const keyspace = process.env.CASSANDRA_KEYSPACE ?? 'crm';
  // Of a node that with-cassandra.mts has started for this; what is in memory only is not counted.
  const [node] = loadPlan(join(HOME, `run-${String(process.ppid)}`));
  if (node) await nodetool(node, 'flush', keyspace);
  const client = databaseClient();
  try {
    const read = async (table: string) => {
      const cql = `SELECT table_name, mebibytes FROM system_views.${table} WHERE keyspace_name = ? ALLOW FILTERING`;
      const { rows } = await client.execute(cql, [keyspace], { prepare: true });
      return new Map(
        rows.map((row) => [row.get('table_name') as string, Number(row.get('mebibytes'))]),
      );
    };
    const sizes = [...(await read('disk_usage'))].sort(([, a], [, b]) => b - a);
    const partitions = await read('max_partition_size');
    console.table(
      Object.fromEntries(
        sizes
          .slice(0, TABLES_SHOWN)
          .map(([table, size]) => [
            table,
            { 'MiB on disk': size, 'MiB of the largest partition': partitions.get(table) },
          ]),
      ),
    );
  } finally {
    await client.shutdown();
  }
}
