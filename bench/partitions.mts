// How large do partitions get when an organization grows? Derives the rows of invented contacts as a
// write does, and counts them by the partition they would be in. Without a database.
// npm run bench:partitions -- 1000000
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SeedData } from '../tools/seed-data.mts';
import { PROJECT } from './server.mts';

/** What npm run build makes of the parts of the record store that are used here. */
interface Store {
  contacts: object;
  derive: (definition: object, record: object, fields: []) => { table: string; list: string }[];
  parseRecord: (definition: object, fields: [], body: object) => object;
  bucketOf: (id: string, buckets: number) => string;
  bucketsFor: (records: number) => number;
}

const require = createRequire(import.meta.url);
const { contacts, derive, parseRecord, bucketOf, bucketsFor } = Object.assign(
  {},
  ...[
    'contacts/contact.js',
    'records/derive.js',
    'records/record-body.js',
    'records/store/derived-rows.js',
    'records/upkeep/rebucket.service.js',
  ].map((path) => require(join(PROJECT, 'dist', path)) as object),
) as Store;

const LIMIT = 100_000;

function measure(count: number) {
  const buckets = bucketsFor(count);
  const seed = new SeedData(1, count);
  const partitions = new Map<string, number>();
  let rows = 0;
  const [companies, people] = seed.kinds;
  if (!companies || !people) throw new Error('There is nothing to seed');
  for (let index = 0; index < companies.count; index++) companies.make();
  for (let index = 0; index < count; index++) {
    const { id, ...body } = people.make();
    const now = new Date();
    const record = {
      ...{ organizationId: 'org', object: 'contacts', id, state: 'live' as const, version: 1 },
      ...{ operationId: randomUUID(), data: parseRecord(contacts, [], body), deletedAt: null },
      ...{ createdAt: now, createdBy: id, updatedAt: now, updatedBy: id },
    };
    const bucket = bucketOf(id, buckets);
    for (const row of derive(contacts, record, [])) {
      const key = `${row.table} ${row.list} ${bucket}`;
      partitions.set(key, (partitions.get(key) ?? 0) + 1);
      rows += 1;
    }
  }
  const sizes = [...partitions].sort(([, a], [, b]) => b - a);
  const over = sizes.filter(([, size]) => size > LIMIT).length;
  return {
    contacts: count,
    buckets,
    'rows a contact': Number((rows / count).toFixed(1)),
    partitions: sizes.length,
    'largest, rows': sizes[0]?.[1] ?? 0,
    'largest is': sizes[0]?.[0].replace(/owner:\S+/, 'owner:…') ?? '',
    'over the limit': over,
  };
}

const counts = process.argv.slice(2).map(Number);
const rows = (counts.length > 0 ? counts : [1000, 10_000, 100_000, 1_000_000]).map(measure);
console.table(rows);
if (rows.some((row) => row['over the limit'] > 0)) process.exitCode = 1;
