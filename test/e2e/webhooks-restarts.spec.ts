import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeReader } from '../../src/changes/change-reader.service';
import { ChangeSequencer } from '../../src/changes/change-sequencer.service';
import { DeliveriesRepository } from '../../src/webhooks/deliveries.repository';
import { DeliverySlots } from '../../src/webhooks/delivery-slots';
import { HookRunner } from '../../src/webhooks/hook-runner';
import { PendingRepository } from '../../src/webhooks/pending.repository';
import { WebhookSender } from '../../src/webhooks/webhook-sender';
import { WebhooksService } from '../../src/webhooks/webhooks.service';
import { startApp, type TestApp } from '../support/app';
import { sequenceSince } from '../support/changes';
import { ownKeyspace } from '../support/own-keyspace';
import { Crm } from '../support/records';
import { Receiver } from '../support/webhooks';

/** A keyspace of its own: nobody else must send for these webhooks. */
const keyspace = ownKeyspace();
const GIVE_UP_MS = 4000;

describe('What sends for a webhook, one process after the other', () => {
  const environment = { CASSANDRA_KEYSPACE: keyspace, WEBHOOKS_ALLOW_PRIVATE: 'on' };
  const sender = new WebhookSender(true);
  let server: TestApp;
  let crm: Crm;
  let receiver: Receiver;
  let hookId: string;
  let startedAt: Date;

  beforeAll(async () => {
    server = await startApp({ ...environment, WORKERS: 'off' });
  }, 120_000);
  afterAll(async () => {
    sender.close();
    await server.close();
  }, 60_000);
  beforeEach(async () => {
    startedAt = new Date();
    crm = new Crm(server.url, await server.api.newAdmin());
    receiver = new Receiver();
    hookId = (await crm.create('webhooks', { url: await receiver.start() })).id;
    await crm.create('companies', { name: 'Acme' });
    await sequenceSince(server.app.get(ChangeSequencer), crm.account.organizationId, startedAt);
  });
  afterEach(() => receiver.stop());

  /** What a process has of a webhook while it holds the lease. */
  async function runner(stop: AbortSignal): Promise<HookRunner> {
    const { app } = server;
    const service = app.get(WebhooksService);
    return new HookRunner(await service.get(crm.account, hookId), {
      reader: app.get(ChangeReader),
      pending: app.get(PendingRepository),
      deliveries: app.get(DeliveriesRepository),
      sender,
      slots: new DeliverySlots(10, 10),
      retry: { firstMs: 200, longestMs: 1000, giveUpMs: GIVE_UP_MS },
      secretsOf: (webhook) => service.secretsOf(webhook),
      giveUp: (webhook) => service.giveUp(webhook),
      report: (error) => {
        throw error;
      },
      stop,
      check: () => {
        stop.throwIfAborted();
      },
    });
  }

  /** Steps until something is so, as the rounds of a dispatcher. */
  async function step(one: HookRunner, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const giveUpAt = Date.now() + 20_000;
    while (!(await isTrue())) {
      if (Date.now() > giveUpAt) throw new Error('it has not come to pass');
      await one.step();
      await sleep(50);
    }
  }

  async function deliveries(): Promise<Record<string, unknown>[]> {
    return (await crm.page(`webhooks/${hookId}/deliveries`)).data;
  }

  it('ends its requests when it loses the lease, and the next one sends them again', async () => {
    receiver.answer = () => undefined;
    const lost = new AbortController();
    const before = await runner(lost.signal);
    await step(before, () => receiver.received.length === 1);
    const lostAt = Date.now();
    lost.abort();
    await before.idle();
    // Not when the endpoint has had its ten seconds.
    expect(Date.now() - lostAt).toBeLessThan(3000);
    await before.step();
    while (receiver.aborted === 0) await sleep(50);
    expect(receiver.received).toHaveLength(1);
    expect(await deliveries()).toEqual([]);

    receiver.answer = () => 204;
    const after = await runner(new AbortController().signal);
    await step(after, async () => (await deliveries())[0]?.status === 'delivered');
    await after.idle();
    expect(await deliveries()).toMatchObject([{ attempts: 1, last_status: 204 }]);
    const [first, second] = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(second).toBe(first);
  }, 60_000);

  it('counts the time of an event from its first attempt, whoever makes the others', async () => {
    receiver.answer = () => 500;
    const ended = new AbortController();
    const before = await runner(ended.signal);
    await step(before, async () => (await deliveries())[0]?.status === 'pending');
    ended.abort();
    await before.idle();
    const [pending] = await deliveries();
    await sleep(GIVE_UP_MS);

    const after = await runner(new AbortController().signal);
    await step(after, async () => (await deliveries())[0]?.status === 'dead');
    await after.idle();
    const [dead] = await deliveries();
    // At once: it has had all of its time.
    expect(dead?.attempts).toBe(Number(pending?.attempts) + 1);
    expect(dead?.first_at).toBe(pending?.first_at);
    expect((await crm.read('webhooks', hookId)).enabled).toBe(false);
  }, 60_000);
});
