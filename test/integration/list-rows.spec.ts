import { randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import fc from 'fast-check';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { bucketOf, indexOf } from '../../src/records/store/derived-rows';
import { DerivedRowsRepository } from '../../src/records/store/derived-rows.repository';
import { HIGHEST } from '../../src/records/lists/list-plan';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE } from '../support/config';
import { connectWriters } from '../support/records/world';

const OBJECT = 'contacts';
const LIST = 'name|all';

/** An id whose rows are in one of the first buckets: the fewer these are, the less evenly it is spread. */
function idWithin(first: number, buckets: number): string {
  for (;;) {
    const id = randomUUID();
    if (indexOf(id, buckets) < first) return id;
  }
}

// Characters of one to four bytes, in the order of which UTF-16 differs from that of the database.
const sortKey = fc.string({ unit: fc.constantFrom('a', 'b', '\u00e9', '\uff5e', '\u{1f600}') });

const example = fc.record({
  buckets: fc.constantFrom(1, 2, 4, 32, 64),
  // Of the buckets, how many have rows.
  used: fc.double({ min: 0, max: 1, noNaN: true }),
  keys: fc.array(sortKey, { maxLength: 80, size: 'max' }),
  size: fc.integer({ min: 1, max: 100 }),
  descending: fc.boolean(),
  skip: fc.nat({ max: 40 }),
});

describe('DerivedRowsRepository.list', () => {
  let clients: Client[];
  beforeAll(async () => {
    clients = await connectWriters(1);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
  });

  it('answers the next rows in the order of the database, however they are spread', async () => {
    const [client] = clients;
    if (!client) throw new Error('no client');
    const rows = new DerivedRowsRepository(new CassandraService(client, TEST_KEYSPACE));
    await fc.assert(
      fc.asyncProperty(example, async ({ buckets, used, keys, size, descending, skip }) => {
        const organizationId = newOrganizationId();
        const first = Math.max(1, Math.ceil(used * buckets));
        const all = keys.map((key) => ({ sortKey: key, id: idWithin(first, buckets), version: 1 }));
        await Promise.all(
          all.map(({ id, ...row }) =>
            rows.write(
              { organizationId, object: OBJECT, id, createdAt: new Date(), version: 1 },
              [buckets],
              [{ table: 'list_rows', list: LIST, ...row }],
              [],
            ),
          ),
        );
        const bytes = ({ sortKey, id }: (typeof all)[0]) => Buffer.from(`${sortKey}\u0000${id}`);
        const inOrder = all.toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)));
        if (descending) inOrder.reverse();
        const bound = { sortKey: descending ? HIGHEST : '', id: '' };
        const from = skip === 0 ? bound : (inOrder[skip - 1] ?? bound);
        const expected = from === bound ? inOrder : inOrder.slice(skip);
        const range = { from, endKey: descending ? '' : HIGHEST, descending };
        const found = await rows.list(
          { organizationId, object: OBJECT, list: LIST },
          buckets,
          range,
          size,
        );
        expect(found).toEqual(
          expected
            .slice(0, size)
            .map((row) => ({ ...row, bucket: bucketOf(row.id, buckets), copy: null })),
        );
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});
