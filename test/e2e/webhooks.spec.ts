import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { publicLookup } from '../../src/webhooks/addresses';
import { WebhookSender } from '../../src/webhooks/webhook-sender';
import { startApp, type TestApp } from '../support/app';
import { Crm, dataOf, inParallel } from '../support/records';

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  event: { type: string; data: { id: string; version: number; object: string } };
}

/** An endpoint of a customer, on loopback. */
class Receiver {
  readonly received: Received[] = [];
  /** What it answers: a status, or nothing at all. */
  answer: (index: number) => number | undefined = () => 200;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const event = JSON.parse(body) as Received['event'];
        this.received.push({ headers: request.headers, body, event });
        const status = this.answer(this.received.length - 1);
        if (status === undefined) return;
        if (status === 302) response.setHeader('Location', '/elsewhere');
        response.writeHead(status).end('no business of anybody');
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}/hook`;
  }

  async until(count: number, seconds = 30): Promise<void> {
    const giveUpAt = Date.now() + seconds * 1000;
    while (this.received.length < count && Date.now() < giveUpAt) await sleep(50);
    expect(this.received.length).toBeGreaterThanOrEqual(count);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function isSignedWith(secret: string, { headers, body }: Received, timestamp?: string): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const at = timestamp ?? String(headers['webhook-timestamp']);
  const content = `${String(headers['webhook-id'])}.${at}.${body}`;
  const mac = `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(mac);
}

describe('Webhooks', () => {
  const environment = { WORKERS: 'on', WEBHOOKS_ALLOW_PRIVATE: 'on', WEBHOOK_RETRY: '1s' };
  let server: TestApp;
  let crm: Crm;
  let receiver: Receiver;
  let url: string;
  beforeAll(async () => {
    server = await startApp({ ...environment, WEBHOOK_GIVE_UP: '4s' });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
    receiver = new Receiver();
    url = await receiver.start();
  });
  afterEach(() => receiver.stop());

  async function newHook(body: object = {}) {
    const hook = await crm.create('webhooks', { url, ...body });
    return { id: hook.id, secret: String(hook.secret) };
  }

  it('J2: sends what happens, signed, and a changed timestamp does not fit', async () => {
    const { id, secret } = await newHook({ kinds: ['created'] });
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    await crm.patch('contacts', contact.id, { title: 'CTO' });
    await crm.create('companies', { name: 'Acme' });
    await receiver.until(2);
    const [first] = receiver.received;
    if (!first) throw new Error('nothing came');
    expect(isSignedWith(secret, first)).toBe(true);
    expect(isSignedWith(secret, first, '1700000000')).toBe(false);
    expect(receiver.received.map(({ event }) => event.type).sort()).toEqual([
      'companies.created',
      'contacts.created',
    ]);
    await crm.send('post', `webhooks/${id}/rotate-secret`).then((response) => {
      const rotated = String(dataOf(response).secret);
      expect(rotated).not.toBe(secret);
      return rotated;
    });
    expect((await crm.read('webhooks', id)).secret).toBeUndefined();
  }, 60_000);

  it('keeps the order of a record over failures, and one that hangs delays no other', async () => {
    const hanging = new Receiver();
    hanging.answer = () => undefined;
    await newHook();
    await crm.create('webhooks', { url: await hanging.start() });
    receiver.answer = (index) => (index % 3 === 0 ? 500 : 200);
    const contacts = await inParallel(3, 3, () => crm.create('contacts', { last_name: 'Jones' }));
    for (let round = 0; round < 3; round++) {
      for (const { id } of contacts) await crm.patch('contacts', id, { title: String(round) });
    }
    await receiver.until(12);
    const ok = receiver.received.filter((_, index) => index % 3 !== 0);
    for (let tries = 0; ok.length < 12 && tries < 200; tries++) {
      await sleep(100);
      ok.splice(0, ok.length, ...receiver.received.filter((_, index) => index % 3 !== 0));
    }
    for (const { id } of contacts) {
      const versions = ok
        .filter(({ event }) => event.data.id === id)
        .map(({ event }) => event.data.version);
      expect(versions).toEqual([1, 2, 3, 4]);
    }
    await hanging.stop();
  }, 90_000);

  it('gives up, disables, and sends again when it is told to', async () => {
    const { id } = await newHook();
    receiver.answer = () => 302;
    await crm.create('companies', { name: 'Acme' });
    const deliveries = async () => (await crm.page(`webhooks/${id}/deliveries`)).data;
    for (let found = await deliveries(); found[0]?.status !== 'dead'; found = await deliveries()) {
      await sleep(200);
    }
    const [dead] = await deliveries();
    expect(dead).toMatchObject({ status: 'dead', last_status: 302, error: 'status' });
    expect((await crm.read('webhooks', id)).enabled).toBe(false);
    receiver.answer = () => 204;
    await crm.patch('webhooks', id, { enabled: true });
    const path = `webhooks/${id}/deliveries/${String(dead?.id)}/redeliver`;
    expect((await crm.send('post', path)).status).toBe(202);
    for (let found = await deliveries(); found[0]?.status !== 'delivered';) {
      await sleep(200);
      found = await deliveries();
    }
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  }, 90_000);
});

describe('J1: addresses of webhooks', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());

  it('are those of public servers only', async () => {
    const crm = new Crm(server.url, await server.api.newAdmin());
    for (const url of [
      'http://example.com/',
      'https://user:pass@example.com/',
      'https://example.com:22/',
      'https://127.0.0.1/',
      'https://2130706433/',
      'https://0x7f.1/',
      'https://10.1.2.3/',
      'https://169.254.169.254/',
      'https://100.64.0.1/',
      'https://[::1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://[fd00::1]/',
      'https://localhost/',
      'ftp://example.com/',
    ]) {
      expect([url, (await crm.send('post', 'webhooks', { url })).status]).toEqual([url, 400]);
    }
    expect((await crm.send('post', 'webhooks', { url: 'https://example.com/' })).status).toBe(201);
  });

  it('are refused at the connection where their name leads to a private one', async () => {
    const sender = new WebhookSender(false);
    const stop = new AbortController().signal;
    for (const url of ['https://localhost/', 'https://127.0.0.1/', 'http://localhost:9/']) {
      const outcome = await sender.send(url, {}, '{}', stop);
      expect([url, outcome.ok, outcome.error]).toEqual([url, false, 'address_refused']);
    }
    sender.close();
    const error = await new Promise((resolve) => {
      publicLookup('localhost', {}, resolve);
    });
    expect(error).toBeInstanceOf(Error);
  });
});
