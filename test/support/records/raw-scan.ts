import type { Client } from 'cassandra-driver';
import { TEST_KEYSPACE } from '../config';

/** Every row of every table that has a text somewhere, whatever its case: `table: row`. */
export async function rowsWith(client: Client, text: string): Promise<string[]> {
  const tables = await client.execute(
    'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?',
    [TEST_KEYSPACE],
    { prepare: true },
  );
  const found: string[] = [];
  for (const { table_name: table } of tables.rows as unknown as { table_name: string }[]) {
    let pageState: string | undefined;
    do {
      const options = { fetchSize: 1000, pageState };
      const page = await client.execute(`SELECT * FROM ${TEST_KEYSPACE}.${table}`, [], options);
      for (const row of page.rows) {
        const whole = JSON.stringify(row);
        if (whole.toLowerCase().includes(text.toLowerCase())) found.push(`${table}: ${whole}`);
      }
      pageState = page.pageState;
    } while (pageState);
  }
  return found;
}
