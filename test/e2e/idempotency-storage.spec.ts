import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { connect } from '../../src/cassandra/connect';
import { newId } from '../../src/common/operation';
import { IdempotencyRepository } from '../../src/idempotency/idempotency.repository';
import { type Account, type Method, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { TEST_KEYSPACE, TEST_SECRET, testConfig } from '../support/config';
import { expectError } from '../support/envelope';
import { probe, ProbeController, replayed, rowOf, type Sent, sendTo } from '../support/probe';
import { freePort, runProgram } from '../support/process';
import { rememberSecrets } from '../support/run-log';

const PRELOAD = join(__dirname, '..', 'support', 'crash-preload.cjs');
const TIMEOUT_SECONDS = 3;
const KEYS = '/api/v1/api-keys';
const ME = '/api/v1/users/me';
const PROBE = '/api/v1/probe';

describe('What is kept of a write with an Idempotency-Key', () => {
  let server: TestApp;
  let client: Client;
  let admin: Account;
  let key: string;
  beforeAll(async () => {
    client = await connect(testConfig().cassandra, TEST_KEYSPACE, () => undefined);
    server = await startApp({}, [ProbeController]);
  });
  afterAll(async () => {
    await server.close();
    await client.shutdown();
  });
  beforeEach(async () => {
    admin = await server.api.newAdmin();
    key = randomUUID();
    probe.runs.length = 0;
    probe.outcome = () => ({ id: newId('record') });
  });

  const send = (method: Method, path: string, sent: Sent = {}) =>
    sendTo(server.url, method, path, { token: admin.token, key, ...sent });
  async function restart(environment: Record<string, string>): Promise<void> {
    await server.close();
    server = await startApp(environment, [ProbeController]);
  }

  it('is not readable in the database, neither its request nor its answer', async () => {
    const email = newEmail();
    const body = { organization_id: admin.organizationId, email, password: newPassword() };
    rememberSecrets(body);
    const added = await send('post', '/api/auth/register', { body });
    expect(added.status).toBe(201);
    const row = await rowOf(client, admin.organizationId);
    const text = Object.values(row)
      .map((value: unknown) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
      .join('\n');
    expect(text).toContain(key);
    expect(text).not.toContain(email);
    expect(text).not.toContain(body.password);
    expect(text).not.toContain('success');
    // Not packed only.
    expect(row.body?.includes(Buffer.from([0x1f, 0x8b, 0x08]))).toBe(false);
  });

  it('is kept for a day, in all its cells', async () => {
    await send('post', PROBE);
    const columns = 'request_hash seed attempt_id state started_at status headers body'.split(' ');
    const { rows } = await client.execute(
      `SELECT organization_id, ${columns.map((name) => `TTL(${name})`).join(', ')} FROM idempotency`,
    );
    const row = rows.find((one) => one.get('organization_id') === admin.organizationId);
    for (const name of columns) {
      const ttl = Number(row?.get(`ttl(${name})`));
      expect([name, ttl > 86_300 && ttl <= 86_400]).toEqual([name, true]);
    }
  });

  it('is answered although the answer cannot be stored, and counts as running', async () => {
    const attempts = server.app.get(IdempotencyRepository, { strict: false });
    jest.spyOn(attempts, 'replace').mockRejectedValueOnce(new Error('no'));
    const first = await send('post', PROBE);
    jest.restoreAllMocks();
    expect(first.status).toBe(201);
    expect(server.logs().map(({ msg }) => msg)).toContain('end of an attempt is not stored');
    const second = await send('post', PROBE);
    expect(second.status).toBe(409);
    expectError(second.body, 'IDEMPOTENCY_IN_PROGRESS');
  });

  it('is kept with an answer of some megabytes', async () => {
    probe.outcome = () => randomBytes(3_000_000).toString('base64');
    const first = await send('post', PROBE);
    const again = await send('post', PROBE);
    expect(first.text.length).toBeGreaterThan(4_000_000);
    expect(replayed(again) && again.text === first.text).toBe(true);
  });

  it('is repeated with a new signing key as long as the old one is known', async () => {
    const body = { name: 'sync', role: 'viewer' };
    const first = await send('post', KEYS, { body });
    const next = Buffer.from(randomUUID()).toString('base64');
    await restart({ JWT_KEYS: `new:${next},default:${TEST_SECRET}` });
    const again = await send('post', KEYS, { body });
    expect([replayed(again), again.text]).toEqual([true, first.text]);

    await restart({ JWT_KEYS: `new:${next}` });
    const { organizationId: organization_id, email, password } = admin;
    const login = await server.api.login({ organization_id, email, password });
    const { access_token: token } = (login.body as { data: { access_token: string } }).data;
    const lost = await send('post', KEYS, { token, body });
    expect(lost.status).toBe(409);
    expectError(lost.body, 'CONFLICT');
    expect(lost.body).toMatchObject({
      message: expect.stringContaining('cannot be read') as string,
    });

    await restart({});
  });

  describe('when its process is killed', () => {
    const environment = { REQUEST_TIMEOUT: String(TIMEOUT_SECONDS) };
    beforeAll(() => restart(environment));

    it.each(['after:idempotency.insert', 'before:users.update', 'before:idempotency.replace'])(
      '%s: is taken over with the same seed',
      async (step) => {
        const sent = { token: admin.token, key, body: { first_name: 'Ada' } };
        const port = await freePort();
        const victim = runProgram(['--require', PRELOAD, 'dist/main.js'], {
          ...environment,
          PORT: String(port),
          CRASH_AT: step,
        });
        await victim.until(/"msg":"ready: /);
        const url = `http://127.0.0.1:${String(port)}`;
        await expect(sendTo(url, 'patch', ME, sent)).rejects.toThrow(/socket hang up|ECONNRESET/);
        expect(await victim.ended).toBe('SIGKILL');
        const left = await rowOf(client, admin.organizationId);
        expect(left.state).toBe('running');

        const early = await sendTo(server.url, 'patch', ME, sent);
        expect(early.status).toBe(409);
        expectError(early.body, 'IDEMPOTENCY_IN_PROGRESS');
        await sleep(2 * TIMEOUT_SECONDS * 1000);
        // Of many who come at once now, one takes it over.
        const many = await Promise.all(
          Array.from({ length: 5 }, () => sendTo(server.url, 'patch', ME, sent)),
        );
        const done = many.filter(({ status }) => status === 200);
        expect(done.filter((response) => !replayed(response))).toHaveLength(1);
        expect(done[0]?.body).toMatchObject({ data: { first_name: 'Ada' } });

        const row = await rowOf(client, admin.organizationId);
        expect([row.state, String(row.seed)]).toEqual(['done', String(left.seed)]);
        expect(String(row.attempt_id)).not.toBe(String(left.attempt_id));
        expect(replayed(await sendTo(server.url, 'patch', ME, sent))).toBe(true);
      },
    );
  });
});
