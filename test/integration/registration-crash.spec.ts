import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'supertest';
import { type Account, newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { sendTo } from '../support/probe';
import { freePort, runProgram } from '../support/process';

const PRELOAD = join(__dirname, '..', 'support', 'crash-preload.cjs');
const LEASE_SECONDS = 3;
const environment = { CLAIM_LEASE: String(LEASE_SECONDS) };
const leaseOver = () => sleep(LEASE_SECONDS * 1000 + 200);

interface Body {
  code?: string;
  data?: unknown[];
}

function register(url: string, body: object, token?: string, key?: string): Promise<Response> {
  return sendTo(url, 'post', '/api/auth/register', { body, token, key });
}

/** Sends one request to a server of its own that dies at the given step. */
async function crash(at: string, body: object, token?: string, key?: string): Promise<void> {
  const port = await freePort();
  const server = runProgram(['--require', PRELOAD, 'dist/main.js'], {
    ...environment,
    PORT: String(port),
    CRASH_AT: at,
  });
  await server.until(/"msg":"ready: /);
  const url = `http://127.0.0.1:${String(port)}`;
  await expect(register(url, body, token, key)).rejects.toThrow(/socket hang up|ECONNRESET/);
  expect(await server.ended).toBe('SIGKILL');
}

describe('A registration whose process is killed', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp(environment);
  });
  afterAll(() => server.close());

  const newAccount = (organization_id: string) => ({
    organization_id,
    email: newEmail(),
    password: newPassword(),
  });

  describe('while it creates an organization', () => {
    it.each(['before:organizations.claim'])('%s: leaves nothing behind', async (step) => {
      const account = newAccount(newOrganizationId());
      await crash(step, account);
      expect((await server.api.register(account)).status).toBe(201);
    });

    it.each([
      'after:organizations.claim',
      'before:users_by_email.take',
      'after:users_by_email.take',
      'before:users.insert',
    ])('%s: leaves an id and an email that are free again after the lease', async (step) => {
      const account = newAccount(newOrganizationId());
      await crash(step, account);
      const early = await server.api.register(account);
      expect([early.status, (early.body as Body).code]).toEqual([403, 'INVITATION_REQUIRED']);
      expect((await server.api.login(account)).status).toBe(401);
      await leaseOver();
      expect((await server.api.register(account)).status).toBe(201);
      expect((await server.api.login(account)).status).toBe(200);
      expect((await server.api.register(newAccount(account.organization_id))).status).toBe(403);
    });

    it.each([
      'after:users.insert',
      'before:organizations.activate',
      'after:organizations.activate',
      'before:sessions.insert',
      'after:sessions.insert',
    ])('%s: leaves a whole account', async (step) => {
      const account = newAccount(newOrganizationId());
      await crash(step, account);
      await leaseOver();
      // Neither the stranger nor the sign-in depends on who comes first.
      const stranger = () => server.api.register(newAccount(account.organization_id));
      if (step.startsWith('after')) expect((await stranger()).status).toBe(403);
      expect((await server.api.login(account)).status).toBe(200);
      expect((await stranger()).status).toBe(403);
    });
  });

  describe('while an admin adds a user', () => {
    let admin: Account;
    beforeAll(async () => {
      admin = await server.api.newAdmin();
    });

    it.each(['after:users_by_email.take', 'before:users.insert'])(
      '%s: leaves an email that is free again after the lease',
      async (step) => {
        const account = newAccount(admin.organizationId);
        await crash(step, account, admin.token);
        const early = await server.api.register(account, admin.token);
        expect([early.status, (early.body as Body).code]).toEqual([409, 'CONFLICT']);
        expect(Number(early.headers['retry-after'])).toBeLessThanOrEqual(LEASE_SECONDS);
        await leaseOver();
        expect((await server.api.register(account, admin.token)).status).toBe(201);
        expect((await server.api.login(account)).status).toBe(200);
      },
    );

    it('after:users.insert: leaves a whole account', async () => {
      const account = { ...newAccount(admin.organizationId), role: 'admin' };
      await crash('after:users.insert', account, admin.token);
      await leaseOver();
      const again = await server.api.register(account, admin.token);
      expect([again.status, (again.body as Body).code]).toEqual([409, 'EMAIL_TAKEN']);
      const { organization_id, email, password } = account;
      expect((await server.api.login({ organization_id, email, password })).status).toBe(200);
    });
  });

  describe('while an admin adds a user, and sends it again under its Idempotency-Key', () => {
    let again: TestApp;
    beforeAll(async () => {
      // Twice as long after its beginning an attempt counts as abandoned.
      again = await startApp({ ...environment, REQUEST_TIMEOUT: '3' });
    });
    afterAll(() => again.close());

    it.each([
      ['before:users_by_email.take', 'member'],
      ['after:users_by_email.take', 'member'],
      ['after:users.insert', 'member'],
      ['after:users.insert', 'admin'],
    ])('%s: adds the %s once', async (step, role) => {
      const admin = await again.api.newAdmin();
      const account = { ...newAccount(admin.organizationId), role };
      const key = newEmail();
      await crash(step, account, admin.token, key);
      let response: Response;
      do {
        await sleep(500);
        response = await register(again.url, account, admin.token, key);
      } while ((response.body as Body).code === 'IDEMPOTENCY_IN_PROGRESS');
      expect(response.status).toBe(201);
      const users = await again.api.get('/api/v1/users', admin.token);
      expect((users.body as { data: unknown[] }).data).toHaveLength(2);
      const { organization_id, email, password } = account;
      expect((await again.api.login({ organization_id, email, password })).status).toBe(200);
    });
  });
});
