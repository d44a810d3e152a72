// What the database says of itself, by CQL.
import { join } from 'node:path';
import cassandra from 'cassandra-driver';
import { loadPlan } from '../tools/local-cassandra/cluster.mts';
import { HOME } from '../tools/local-cassandra/common.mts';
import { nodetool } from '../tools/local-cassandra/nodetool.mts';

const TABLES_SHOWN = 8;

/** The largest tables of the keyspace: what they take on disk, and their largest partitions. */
export async function showTables(): Promise<void> {
  const keyspace = process.env.CASSANDRA_KEYSPACE ?? 'crm';
  // Of a node that with-cassandra.mts has started for this; what is in memory only is not counted.
  const [node] = loadPlan(join(HOME, `run-${String(process.ppid)}`));
  if (node) await nodetool(node, 'flush', keyspace);
  const client = new cassandra.Client({
    contactPoints: (process.env.CASSANDRA_CONTACT_POINTS ?? '127.0.0.1').split(','),
    protocolOptions: { port: Number(process.env.CASSANDRA_PORT ?? '9042') },
    localDataCenter: process.env.CASSANDRA_DATACENTER ?? 'datacenter1',
    credentials: { username: 'cassandra', password: 'cassandra' },
  });
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
