import { randomUUID } from 'node:crypto';
import { isSampled } from '../../src/records/upkeep/growth-hint.service';
import { idShardOf, RecordIdsRepository } from '../../src/records/store/record-ids.repository';
import { startApp, type TestApp } from '../support/app';

/** Of one shard of 64, for 50,000 records in each of two buckets. */
const FULL = Math.ceil(100_000 / 64);

function newId(fits: (id: string) => boolean): string {
  for (;;) {
    const id = randomUUID();
    if (fits(id)) return id;
  }
}

describe('An organization that outgrows its buckets', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());

  const hints = (organizationId: string) =>
    server
      .logs()
      .filter(({ msg, organization_id }) => {
        return organization_id === organizationId && String(msg).includes('npm run rebucket');
      })
      .map(({ level, object, buckets }) => ({ level, object, buckets }));

  it('is told of in the log, once in a thousand records', async () => {
    const { organizationId, token } = await server.api.newAdmin();
    const create = async (id: string) => {
      const body = { id, last_name: 'Jones' };
      expect((await server.api.post('/api/v1/contacts', body, token)).status).toBe(201);
    };
    await create(newId(isSampled));
    const sampled = newId(isSampled);
    const ids = server.app.get(RecordIdsRepository);
    for (let count = 0; count < FULL; count += 50) {
      const some = Array.from({ length: 50 }, () =>
        newId((id) => idShardOf(id) === idShardOf(sampled)),
      );
      await Promise.all(some.map((id) => ids.add(organizationId, 'contacts', id)));
    }
    await create(newId((id) => !isSampled(id) && idShardOf(id) === idShardOf(sampled)));
    await create(newId((id) => isSampled(id) && idShardOf(id) !== idShardOf(sampled)));
    expect(hints(organizationId)).toEqual([]);
    await create(sampled);
    for (let wait = 0; wait < 100 && hints(organizationId).length === 0; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(hints(organizationId)).toEqual([{ level: 'warn', object: 'contacts', buckets: 2 }]);
  });
});
