import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import supertest from 'supertest';
import { type Account, countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { databaseVariables } from '../support/config';
import { expectError } from '../support/envelope';
import { changes, scrape } from '../support/metrics';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

/** As few as there ever are: so they stay as many, however busy the process is. */
const SLOTS = 4;
/** Of one organization. */
const SHARE = 2;
const PLACES = 8;
const SLOW_MS = 150;

describe('A server that has too much to do', () => {
  let proxy: TcpProxy;
  let server: TestApp;
  let loud: Account;
  let quiet: Account;
  beforeAll(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    server = await startApp({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
      CONCURRENT_REQUESTS: String(SLOTS),
      WAITING_REQUESTS: String(PLACES),
    });
    loud = await server.api.newAdmin();
    quiet = await server.api.newAdmin();
    // Whose a token is, is known from its first request on.
    await Promise.all([me(loud), me(quiet)]);
  });
  afterAll(async () => {
    await server.close();
    await proxy.close();
  });
  afterEach(() => {
    proxy.delayAnswers(0);
  });

  const me = ({ token }: Account) => server.api.get('/api/v1/users/me', token);
  const many = (account: Account, count: number) =>
    Array.from({ length: count }, () => me(account));
  const waiting = async () => (await scrape(server.url)).get('http_requests_waiting');

  async function untilWaiting(count: number): Promise<void> {
    while (((await waiting()) ?? 0) < count) await sleep(10);
  }

  it('turns away what there is no place for, at once, and does the rest', async () => {
    proxy.delayAnswers(SLOW_MS);
    const before = await scrape(server.url);
    const answers = await Promise.all(many(loud, 40));
    const after = await scrape(server.url);

    const { 200: served = 0, 503: shed = 0 } = countStatuses(answers);
    expect(served + shed).toBe(40);
    expect(served).toBeGreaterThan(SHARE);
    expect(shed).toBeGreaterThanOrEqual(40 - SHARE - PLACES);
    for (const answer of answers.filter(({ status }) => status === 503)) {
      expectError(answer.body, 'SERVICE_UNAVAILABLE');
      expect(answer.headers['retry-after']).toBe('1');
      expect(answer.headers['x-request-id']).toMatch(/^[\w-]+$/);
    }
    expect(changes(before, after, 'http_requests_shed_total')).toEqual({
      '{status="503",reason="load"}': shed,
    });
    expect(after.get('http_requests_waiting')).toBe(0);
    proxy.delayAnswers(0);
    await sleep(1200);
    const told = server.logs().filter(({ msg }) => String(msg).startsWith('requests were turned'));
    expect(told).toHaveLength(1);
    expect(told[0]?.overloaded).toBeGreaterThanOrEqual(40 - SHARE - PLACES);
  });

  it('turns nobody away for what another organization asks', async () => {
    proxy.delayAnswers(SLOW_MS);
    const flood = Promise.all(many(loud, 40));
    await untilWaiting(PLACES);
    const answers = await Promise.all(many(quiet, SHARE + 3));
    expect(countStatuses(answers)).toEqual({ 200: SHARE + 3 });
    const { 503: shed = 0 } = countStatuses(await flood);
    // Who had a place to wait has lost it to those of whom fewer waited.
    expect(shed).toBeGreaterThanOrEqual(40 - SHARE - PLACES);
  });

  it('tells who asks whether it is alive that it is', async () => {
    proxy.delayAnswers(SLOW_MS);
    const floods = Promise.all([...many(loud, 40), ...many(quiet, 40)]);
    await untilWaiting(PLACES);
    expect((await server.api.get('/health/live')).status).toBe(200);
    expect((await server.api.get('/health/ready')).status).toBe(200);
    await floods;
  });

  it('does nothing for those who have gone while they waited', async () => {
    // Longer than all of them take to come: one that finds a turn free would never wait.
    proxy.delayAnswers(6 * SLOW_MS);
    const held = many(loud, SHARE);
    await sleep(20);
    const before = await scrape(server.url);
    const left = Array.from({ length: PLACES }, () => {
      const request = httpRequest(`${server.url}/api/v1/users/me`, {
        headers: { authorization: `Bearer ${loud.token}` },
      });
      request.on('error', () => undefined).end();
      return request;
    });
    await untilWaiting(PLACES);
    for (const request of left) request.destroy();
    while ((await waiting()) !== 0) await sleep(10);
    await Promise.all(held);
    const after = await scrape(server.url);
    const sent = changes(before, after, 'cassandra_statement_duration_seconds_count');
    // The statements of the ones that were being worked on, at most.
    const users = Object.entries(sent).filter(([labels]) => labels.includes('users.'));
    expect(users.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(2 * SHARE);
    expect((await me(loud)).status).toBe(200);
  });

  it('does not count those who only wait for something to happen', async () => {
    const longPoll = (account: Account) =>
      supertest(server.url)
        .get('/api/v1/changes?from=now&wait=2')
        .set('Authorization', `Bearer ${account.token}`);
    const cursor = await longPoll(quiet);
    expect(cursor.status).toBe(200);
    const { next_cursor: next } = (cursor.body as { meta: { next_cursor: string } }).meta;
    const polls = Array.from({ length: SHARE + PLACES }, () =>
      supertest(server.url)
        .get(`/api/v1/changes?cursor=${next}&wait=2`)
        .set('Authorization', `Bearer ${quiet.token}`)
        .then(({ status }) => status),
    );
    await sleep(500);
    expect((await me(quiet)).status).toBe(200);
    expect(await waiting()).toBe(0);
    expect(new Set(await Promise.all(polls))).toEqual(new Set([200]));
  });
});
