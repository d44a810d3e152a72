import { randomUUID } from 'node:crypto';
import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { ChangeLog } from '../../src/changes/change-log.service';
import { ChangesRepository } from '../../src/changes/changes.repository';
import { newOrganizationId } from '../support/api';
import { TEST_KEYSPACE } from '../support/config';
import { FaultyCassandra, Gate } from '../support/records/faulty-cassandra';
import { connectWriters } from '../support/records/world';

describe('The log of changes', () => {
  let client: Client;
  beforeAll(async () => {
    const [one] = await connectWriters(1);
    if (!one) throw new Error('not connected');
    client = one;
  });
  afterAll(() => client.shutdown());

  it('has what is put there between the look at a position and that at the head', async () => {
    const organizationId = newOrganizationId();
    const log = new ChangeLog(new ChangesRepository(new CassandraService(client, TEST_KEYSPACE)));
    const pointer = { object: 'contacts', id: randomUUID(), version: 1, at: new Date() };
    const gate = new Gate();
    const fault = { at: 'changes.list', when: 'after', wait: gate.wait } as const;
    const slow = new FaultyCassandra(client, TEST_KEYSPACE, [fault]);
    const reading = new ChangeLog(new ChangesRepository(slow)).read(organizationId, 0, 10);
    await gate.reached;
    expect(await log.append(organizationId, 0, [pointer])).toBe(1);
    gate.release();
    expect(await reading).toEqual([{ ...pointer, position: 0 }]);
    expect(await log.read(organizationId, 1, 10)).toEqual([]);
  });
});
