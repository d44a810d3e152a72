import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { publicLookup } from '../../src/webhooks/addresses';
import { WebhookSender } from '../../src/webhooks/webhook-sender';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { ownKeyspace } from '../support/own-keyspace';
import { Crm, dataOf, inParallel } from '../support/records';
import { Receiver, type Received } from '../support/webhooks';

/** By the library that customers use. */
function isSignedWith(secret: string, { headers, body }: Received, timestamp?: string): boolean {
  const signed = {
    'webhook-id': String(headers['webhook-id']),
    'webhook-timestamp': timestamp ?? String(headers['webhook-timestamp']),
    'webhook-signature': String(headers['webhook-signature']),
  };
  try {
    new Webhook(secret).verify(body, signed);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(WebhookVerificationError);
    return false;
  }
}

/** A keyspace of its own: whoever shares one may send instead, and give up later. */
const keyspace = ownKeyspace();
const environment = {
  CASSANDRA_KEYSPACE: keyspace,
  WORKERS: 'on',
  WEBHOOKS_ALLOW_PRIVATE: 'on',
  WEBHOOK_RETRY: '1s',
};

let server: TestApp;
let crm: Crm;
let receiver: Receiver;
let url: string;

/** Prepares the tests of a block: a server that gives events up after so long, and an endpoint. */
function prepare(giveUp: string) {
  beforeAll(async () => {
    server = await startApp({ ...environment, WEBHOOK_GIVE_UP: giveUp });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
    receiver = new Receiver();
    url = await receiver.start();
  });
  afterEach(() => receiver.stop());
}

async function newHook(body: object = {}) {
  const hook = await crm.create('webhooks', { url, ...body });
  return { id: hook.id, secret: String(hook.secret) };
}

describe('Webhooks', () => {
  prepare('72h');

  it('J2: sends what happens, signed, and a changed timestamp does not fit', async () => {
    const { id, secret } = await newHook({ kinds: ['created'] });
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    await crm.patch('contacts', contact.id, { title: 'CTO' });
    await crm.create('companies', { name: 'Acme' });
    await receiver.until(2);
    const [first] = receiver.received;
    if (!first) throw new Error('nothing came');
    expect(isSignedWith(secret, first)).toBe(true);
    expect(isSignedWith(secret, first, String(Math.floor(Date.now() / 1000) + 5))).toBe(false);
    expect(receiver.received.map(({ event }) => event.type).sort()).toEqual([
      'companies.created',
      'contacts.created',
    ]);
    const rotated = String(dataOf(await crm.send('post', `webhooks/${id}/rotate-secret`)).secret);
    expect(rotated).not.toBe(secret);
    const isSignedByBoth = async () => {
      await crm.create('contacts', { last_name: 'Brown' });
      await receiver.until(receiver.received.length + 1);
      const last = receiver.received.at(-1);
      return last && isSignedWith(secret, last) && isSignedWith(rotated, last);
    };
    // The process that sends takes a moment to hear of it.
    for (let tries = 0; tries < 10 && !(await isSignedByBoth()); tries++) await sleep(500);
    expect(await isSignedByBoth()).toBe(true);
    expect((await crm.read('webhooks', id)).secret).toBeUndefined();
  }, 240_000);

  it('loses none of the changes that people make to it at the same time', async () => {
    const { id } = await newHook();
    const changes = [{ description: 'Billing' }, { objects: ['deals'] }, { kinds: ['created'] }];
    await Promise.all(changes.map((change) => crm.patch('webhooks', id, change)));
    expect(await crm.read('webhooks', id)).toMatchObject(Object.assign({}, ...changes) as object);
  }, 30_000);

  it('changes the version that the caller knows, or none', async () => {
    const created = await crm.send('post', 'webhooks', { url });
    expect(dataOf(created).version).toBe(1);
    expect(created.headers.etag).toBe('"1"');
    const path = `webhooks/${dataOf(created).id}`;
    expect(created.headers.location).toBe(`/api/v1/${path}`);
    const change = (description: string, etag: string) =>
      crm.send('patch', path, { description }, { 'If-Match': etag });
    const changed = await change('Billing', '"1"');
    expect([changed.status, changed.headers.etag]).toEqual([200, '"2"']);
    const refused = await change('Support', '"1"');
    expect(refused.status).toBe(412);
    expectError(refused.body, 'PRECONDITION_FAILED');
    expect(refused.body).toMatchObject({ details: { current_version: 2 } });
    expect((await change('Support', 'soon')).status).toBe(400);
    expect((await crm.send('delete', path, undefined, { 'If-Match': '"1"' })).status).toBe(412);
    expect((await crm.get(path)).headers.etag).toBe('"2"');
    expect((await crm.send('delete', path, undefined, { 'If-Match': '"2"' })).status).toBe(204);
  });

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
    for (let tries = 0; ok.length < 12 && tries < 600; tries++) {
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
  }, 240_000);
});

describe('An event that an endpoint never takes', () => {
  prepare('72h');

  it('holds back only those of its record, however many they are', async () => {
    await newHook();
    let isRefused = true;
    receiver.answerTo = ({ data }) => (data.object === 'companies' && isRefused ? 500 : 200);
    const bad = await crm.create('companies', { name: 'Bad' });
    for (let round = 0; round < 70; round++) {
      await crm.patch('companies', bad.id, { name: `Bad ${String(round)}` });
    }
    // Failures in a row, and nothing else: as of an endpoint that takes nothing at all.
    await receiver.until(4);
    const good = await crm.create('contacts', { last_name: 'Good' });
    const since = Date.now();
    while (receiver.versionsOf(good.id).length === 0) await sleep(50);
    expect(Date.now() - since).toBeLessThan(10_000);
    expect(receiver.versionsOf(bad.id)).toEqual([1]);
    isRefused = false;
    const versions = Array.from({ length: 71 }, (_, index) => index + 1);
    while (receiver.versionsOf(bad.id).length < versions.length) await sleep(100);
    expect(receiver.versionsOf(bad.id)).toEqual(versions);
  }, 240_000);
});

describe('A webhook that fails for too long', () => {
  prepare('4s');

  it('is disabled, and gets its events again when somebody tells to', async () => {
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
  }, 240_000);
});

describe('J1: addresses of webhooks', () => {
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());

  it('are those of public servers only', async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
    for (const address of [
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
      'https://017700000001/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:a9fe:a9fe]/',
      'https://[::127.0.0.1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://[64:ff9b:1::a00:1]/',
      'https://[2002:7f00:1::]/',
      'https://[2001:0:7f00:1::]/',
      'https://[fe80::1]/',
      'https://[ff02::1]/',
      'https://0.0.0.0/',
      'https://[fd00::1]/',
      'https://localhost/',
      'ftp://example.com/',
    ]) {
      const { status } = await crm.send('post', 'webhooks', { url: address });
      expect([address, status]).toEqual([address, 400]);
    }
    expect((await crm.send('post', 'webhooks', { url: 'https://example.com/' })).status).toBe(201);
  });

  it('are refused at the connection where their name leads to a private one', async () => {
    const sender = new WebhookSender(false);
    const stop = new AbortController().signal;
    for (const address of ['https://localhost/', 'https://127.0.0.1/', 'http://localhost:9/']) {
      const outcome = await sender.send(address, {}, '{}', stop);
      expect([address, outcome.ok, outcome.error]).toEqual([address, false, 'address_refused']);
    }
    sender.close();
    const error = await new Promise((resolve) => {
      publicLookup('localhost', {}, resolve);
    });
    expect(error).toBeInstanceOf(Error);
  });
});
