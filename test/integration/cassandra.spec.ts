import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { connect } from '../../src/cassandra/connect';
import { defineQuery } from '../../src/cassandra/define-query';
import { requestContext } from '../../src/common/request-context';
import { AppError } from '../../src/common/errors';
import { databaseVariables, TEST_KEYSPACE, testConfig } from '../support/config';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

interface LeaseRow {
  name: string;
  owner: { toString(): string };
}

// The leases table has the simplest key; these rows are named at random.
const insert = defineQuery(
  'test.insert',
  'INSERT INTO leases (name, owner, renewed_at) VALUES (:name, :owner, :renewed_at)',
);
const find = defineQuery<LeaseRow>(
  'test.find',
  'SELECT name, owner FROM leases WHERE name = :name',
);
const findSome = defineQuery<LeaseRow>(
  'test.findSome',
  'SELECT name, owner FROM leases LIMIT :size',
);
const claim = defineQuery(
  'test.claim',
  'INSERT INTO leases (name, owner, renewed_at) VALUES (:name, :owner, :renewed_at) IF NOT EXISTS',
);
const broken = defineQuery('test.broken', 'SELECT nothing FROM nowhere WHERE name = :name');

const row = () => ({ name: `test-${randomUUID()}`, owner: randomUUID(), renewed_at: new Date() });

describe('CassandraService', () => {
  let proxy: TcpProxy;
  let service: CassandraService;

  beforeAll(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    service = await newService();
  });
  afterAll(async () => {
    await service.onApplicationShutdown();
    await proxy.close();
  });

  async function newService(): Promise<CassandraService> {
    const { cassandra } = testConfig({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
    });
    const client = await connect(cassandra, TEST_KEYSPACE, () => undefined);
    return new CassandraService(client, TEST_KEYSPACE);
  }

  it('reads back what it wrote, at a quorum and at SERIAL', async () => {
    const params = row();
    await service.run(insert, params);
    for (const serial of [false, true]) {
      const found = await service.first(find, { name: params.name }, { serial });
      expect(found?.owner.toString()).toBe(params.owner);
    }
    expect(await service.first(find, { name: 'nobody' })).toBeUndefined();
  });

  it('refuses to run a statement with a parameter missing', async () => {
    await expect(service.run(insert, { name: 'x' })).rejects.toThrow('Query test.insert failed');
  });

  it('writes batches whole', async () => {
    const rows = [row(), row(), row()];
    await service.batch(rows.map((params) => ({ query: insert, params })));
    for (const { name } of rows) expect(await service.first(find, { name })).toBeDefined();
  });

  it('reads no more than a page', async () => {
    await service.batch([row(), row(), row()].map((params) => ({ query: insert, params })));
    expect(await service.page(findSome, {}, 2)).toHaveLength(2);
  });

  it('sends what different requests ask for in one turn by one write', async () => {
    const write = jest.spyOn(Socket.prototype, 'write');
    const answers = await new Promise<unknown[]>((resolve, reject) => {
      const asked: Promise<unknown>[] = [];
      for (let count = 0; count < 5; count++) {
        setImmediate(() => {
          asked.push(service.first(find, { name: 'nobody' }));
          if (count === 4) Promise.all(asked).then(resolve, reject);
        });
      }
    });
    const sent = write.mock.contexts.filter(({ remotePort }) => remotePort === proxy.port);
    write.mockRestore();
    expect(answers).toHaveLength(5);
    expect(sent).toHaveLength(1);
  });

  it('does what nobody waits for before it ends, and does not fail with it', async () => {
    const ending = await newService();
    const params = row();
    ending.runInBackground(insert, params);
    ending.runInBackground(broken, { name: 'x' });
    await ending.onApplicationShutdown();
    expect(await service.first(find, { name: params.name })).toBeDefined();
  });

  it('tells whether a condition held, and what stands in its way', async () => {
    const params = row();
    const never = () => Promise.reject(new Error('not asked'));
    expect(await service.lwt([{ query: claim, params }], never)).toMatchObject({ applied: true });
    const second = await service.lwt(
      [{ query: claim, params: { ...params, owner: randomUUID() } }],
      never,
    );
    expect(second.applied).toBe(false);
    expect(String(second.current?.owner)).toBe(params.owner);
  });

  it('names the statement when one is wrong, and keeps the cause for the log', async () => {
    await expect(service.run(broken, { name: 'x' })).rejects.toMatchObject({
      message: 'Query test.broken failed',
      cause: { message: expect.stringContaining('nowhere') as string },
    });
  });

  it('settles a conditional write whose answer got lost, as its own', async () => {
    const params = row();
    // The first attempt is applied; its answer is cut off on the way back.
    const client = (
      service as unknown as { client: { execute: (...args: unknown[]) => Promise<unknown> } }
    ).client;
    const original = client.execute.bind(client);
    let attempts = 0;
    const spy = jest.spyOn(client, 'execute').mockImplementation(async (...args: unknown[]) => {
      const result = await original(...args);
      if (args[0] === claim.cql && attempts++ === 0) {
        throw Object.assign(new Error('The socket was closed'), { isSocketError: true });
      }
      return result;
    });
    const isMine = async () => {
      const found = await service.first(find, { name: params.name }, { serial: true });
      return found?.owner.toString() === params.owner;
    };
    const mine = await service.lwt([{ query: claim, params }], isMine);
    expect([mine.applied, attempts]).toEqual([true, 2]);

    attempts = 0;
    const others = await service.lwt(
      [{ query: claim, params: { ...params, owner: randomUUID() } }],
      () => Promise.resolve(false),
    );
    expect([others.applied, attempts]).toEqual([false, 2]);
    spy.mockRestore();
  });

  it('gives up at the deadline of the request, with 503', async () => {
    const outcome = await new Promise<unknown>((resolve) => {
      requestContext(0)({} as never, {} as never, () => {
        service.run(find, { name: 'x' }).then(resolve, resolve);
      });
    });
    expect(outcome).toBeInstanceOf(AppError);
    expect(outcome).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  it('answers 503 while the database is away', async () => {
    proxy.cut();
    await expect(service.run(find, { name: 'x' })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    const params = row();
    await expect(
      service.lwt([{ query: claim, params }], () => Promise.resolve(false)),
    ).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });
});
