import { setTimeout as sleep } from 'node:timers/promises';
import { Api } from '../support/api';
import { TEST_SECRET } from '../support/config';
import { ownKeyspace } from '../support/own-keyspace';
import { startServer } from '../support/process';
import { Crm, inParallel } from '../support/records';
import { Receiver } from '../support/webhooks';

/** A keyspace of its own: whoever shares one may send instead of those that this test starts. */
const keyspace = ownKeyspace();
const VERSIONS = [1, 2, 3, 4];

describe('Webhooks, while the processes that send come and go', () => {
  const environment = {
    CASSANDRA_KEYSPACE: keyspace,
    JWT_SECRET: TEST_SECRET,
    WEBHOOKS_ALLOW_PRIVATE: 'on',
    WEBHOOK_RETRY: '1s',
  };
  const startWorker = () => startServer({ ...environment, WORKERS: 'on' });

  it('miss nothing where nobody works for a while, nor where a worker is killed', async () => {
    const receiver = new Receiver();
    receiver.delayMs = 200;
    const url = await receiver.start();
    const server = await startServer({ ...environment, WORKERS: 'off' });
    const workers: Awaited<ReturnType<typeof startWorker>>[] = [];
    try {
      const crm = new Crm(server.url, await new Api(server.url).newAdmin());
      await crm.create('webhooks', { url });
      // Nobody works.
      const ids = await inParallel(10, 5, async () => {
        const { id } = await crm.create('contacts', { last_name: 'Jones' });
        for (const title of ['a', 'b']) await crm.patch('contacts', id, { title });
        return id;
      });
      await sleep(2000);
      expect(receiver.received).toEqual([]);
      const first = await startWorker();
      workers.push(first);
      await receiver.until(8, 60);
      first.child.kill('SIGKILL');
      expect(await first.ended).toBe('SIGKILL');
      expect(receiver.received.length).toBeLessThan(30);
      // Nobody works, again.
      for (const id of ids) await crm.patch('contacts', id, { title: 'c' });
      workers.push(await startWorker());
      const isComplete = () =>
        ids.every((id) => receiver.versionsOf(id).length === VERSIONS.length);
      for (const until = Date.now() + 180_000; !isComplete() && Date.now() < until;) {
        await sleep(200);
      }
      for (const id of ids) expect([id, receiver.versionsOf(id)]).toEqual([id, VERSIONS]);
    } finally {
      for (const { child } of [server, ...workers]) child.kill('SIGKILL');
      await receiver.stop();
    }
  }, 300_000);
});
