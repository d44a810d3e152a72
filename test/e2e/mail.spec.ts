import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'supertest';
import { connect } from '../../src/cassandra/connect';
import { InvitationsRepository } from '../../src/organizations/invitations.repository';
import { altered } from '../support/altered';
import { type Account, Api, countStatuses, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { testConfig } from '../support/config';
import { expectError } from '../support/envelope';
import { ownKeyspace } from '../support/own-keyspace';
import { startServer } from '../support/process';
import { type Mailbox, startMailbox, tokenIn } from '../support/mailbox';

/** A keyspace of its own: mail is sent by one process of all that share a keyspace. */
const keyspace = ownKeyspace();
const environment = { CASSANDRA_KEYSPACE: keyspace, WORKERS: 'on' };

describe('What goes by mail', () => {
  let server: TestApp;
  let mailbox: Mailbox;
  let admin: Account;
  const started: TestApp[] = [];
  const start = async (overrides: Record<string, string>) => {
    server = await startApp({ ...environment, ...overrides });
    started.push(server);
  };
  beforeAll(async () => {
    mailbox = await startMailbox();
    await start({ SMTP_URL: mailbox.url, CLAIM_LEASE: '1' });
  });
  afterAll(async () => {
    await server.close();
    await mailbox.close();
  });
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });

  const invite = (body: object, token = admin.token) =>
    server.api.post('/api/v1/invitations', body, token);
  const idOf = (response: Response) => (response.body as { data: { id: string } }).data.id;
  async function invited(role?: string) {
    const email = newEmail();
    const response = await invite({ email, role });
    expect(response.status).toBe(201);
    const mail = await mailbox.waitFor(email);
    return { email, id: idOf(response), token: tokenIn(mail.text) ?? '', response };
  }
  const accept = (email: string, invitation_token: string, password = newPassword()) =>
    server.api.register({
      organization_id: admin.organizationId,
      email,
      password,
      invitation_token,
    });

  describe('invitations', () => {
    it('let one join with the email and the role of the invitation, whatever role he asks for', async () => {
      const { email, token, response } = await invited('manager');
      expect(response.body).toMatchObject({ data: { email, role: 'manager', status: 'pending' } });
      expect(JSON.stringify(response.body)).not.toMatch(/token|secret/);
      const joined = await server.api.register({
        organization_id: admin.organizationId,
        email: email.toUpperCase(),
        password: newPassword(),
        role: 'admin',
        invitation_token: token,
      });
      expect(joined.status).toBe(201);
      expect(joined.body).toMatchObject({
        data: { user: { email, role: 'manager' }, token_type: 'Bearer' },
      });
      const list = await server.api.get('/api/v1/invitations', admin.token);
      expect(list.body).toMatchObject({ data: [{ email, status: 'accepted' }] });
    });

    it('are good once, also under a race of 20', async () => {
      const { email, token } = await invited();
      const responses = await Promise.all(Array.from({ length: 20 }, () => accept(email, token)));
      expect(countStatuses(responses)).toEqual({ 201: 1, 403: 19 });
      expect((await accept(email, token)).status).toBe(403);
    });

    it('are bound to their email and their organization, and not to be guessed', async () => {
      const { email, token } = await invited();
      const other = await server.api.newAdmin();
      const attempts = [
        await accept(newEmail(), token),
        await accept(email, altered(token, -2)),
        await accept(email, 'x'),
        await accept(email, ''),
        await server.api.register({
          organization_id: other.organizationId,
          email,
          password: newPassword(),
          invitation_token: token,
        }),
      ];
      for (const response of attempts) {
        expect(response.status).toBe(403);
        expectError(response.body, 'INVITATION_REQUIRED');
      }
      expect((await accept(email, token)).status).toBe(201);
    });

    it('are not good any more when they have expired', async () => {
      const { email, token, response } = await invited();
      const { created_at: created, expires_at: expires } = (
        response.body as { data: { created_at: string; expires_at: string } }
      ).data;
      expect(Date.parse(expires) - Date.parse(created)).toBe(72 * 3_600_000);
      const invitations = server.app.get(InvitationsRepository, { strict: false });
      const find = invitations.find.bind(invitations);
      jest.spyOn(invitations, 'find').mockImplementation(async (...args) => {
        const found = await find(...args);
        return found && { ...found, expiresAt: new Date(Date.now() - 1) };
      });
      expect((await accept(email, token)).status).toBe(403);
      jest.restoreAllMocks();
      expect((await accept(email, token)).status).toBe(201);
    });

    it('can be cancelled while they are pending', async () => {
      const { email, id, token } = await invited();
      const foreign = await server.api.newAdmin();
      const path = `/api/v1/invitations/${id}`;
      expect((await server.api.delete(path, foreign.token)).status).toBe(404);
      expect((await server.api.delete(path, admin.token)).status).toBe(204);
      expect((await accept(email, token)).status).toBe(403);
      expect((await server.api.delete(path, admin.token)).status).toBe(404);
    });

    it('are for admins to give', async () => {
      const manager = await server.api.newUser(admin, 'manager');
      for (const response of [
        await invite({ email: newEmail() }, manager.token),
        await server.api.get('/api/v1/invitations', manager.token),
      ]) {
        expect(response.status).toBe(403);
        expectError(response.body, 'FORBIDDEN');
      }
      const taken = await invite({ email: manager.email });
      expect(taken.status).toBe(409);
      expectError(taken.body, 'EMAIL_TAKEN');
      expect((await invite({ email: 'nobody' })).status).toBe(400);
      expect((await invite({ email: newEmail(), role: 'owner' })).status).toBe(400);
    });

    it('go on working when the address was taken in between and is not', async () => {
      const { email, token } = await invited();
      const account = { organization_id: admin.organizationId, email, password: newPassword() };
      expect((await server.api.register(account, admin.token)).status).toBe(201);
      const refused = await accept(email, token);
      expect(refused.status).toBe(409);
      expectError(refused.body, 'EMAIL_TAKEN');
      const list = await server.api.get('/api/v1/invitations', admin.token);
      expect(list.body).toMatchObject({ data: [{ status: 'pending' }] });
    });

    it('are limited to 100 pending ones, also when they are made at once', async () => {
      for (let round = 0; round < 12; round++) {
        await Promise.all(Array.from({ length: 8 }, () => invite({ email: newEmail() })));
      }
      const last = await Promise.all(
        Array.from({ length: 8 }, () => invite({ email: newEmail() })),
      );
      expect(countStatuses(last)[409]).toBeGreaterThan(0);
      const list = await server.api.get('/api/v1/invitations', admin.token);
      expect((list.body as { data: unknown[] }).data.length).toBeLessThanOrEqual(100);
      expect((await invite({ email: newEmail() })).status).toBe(409);
    });
  });

  describe('a forgotten password', () => {
    const forgot = (email: string, organization_id = admin.organizationId) =>
      server.api.post('/api/auth/password/forgot', { organization_id, email });
    const reset = (token: string, new_password = newPassword()) =>
      server.api.post('/api/auth/password/reset', {
        organization_id: admin.organizationId,
        token,
        new_password,
      });

    it('A11: is replaced by a link, once, and ends every session on every process', async () => {
      expect((await forgot(admin.email)).status).toBe(202);
      const token = tokenIn((await mailbox.waitFor(admin.email)).text) ?? '';
      const password = newPassword();
      const elsewhere = await startServer({ ...environment, WORKERS: 'off' });
      const me = () => new Api(elsewhere.url).get('/api/v1/users/me', admin.token);
      expect((await me()).status).toBe(200);
      expect((await reset(token, 'password1')).status).toBe(400);
      expect((await reset(token, password)).status).toBe(204);
      expect((await server.api.get('/api/v1/users/me', admin.token)).status).toBe(401);
      // What another process may still remember.
      await sleep(1000);
      expect((await me()).status).toBe(401);
      elsewhere.child.kill('SIGTERM');
      await elsewhere.ended;
      const refresh = { refresh_token: admin.refreshToken };
      expect((await server.api.post('/api/auth/refresh', refresh)).status).toBe(401);
      const { organizationId: organization_id, email } = admin;
      const old = await server.api.login({ organization_id, email, password: admin.password });
      expect(old.status).toBe(401);
      expect((await server.api.login({ organization_id, email, password })).status).toBe(200);

      const replay = await reset(token);
      expect(replay.status).toBe(401);
      expectError(replay.body, 'INVALID_CREDENTIALS');
    });

    it('is asked for with a link of one hour', async () => {
      await forgot(admin.email);
      const client = await connect(testConfig(environment).cassandra, keyspace, () => undefined);
      const { rows } = await client.execute(
        'SELECT TTL(secret_hash) AS ttl FROM password_resets WHERE organization_id = ? AND user_id = ?',
        [admin.organizationId, admin.id],
        { prepare: true },
      );
      await client.shutdown();
      const [row] = rows as unknown as { ttl: number }[];
      expect(row?.ttl).toBeLessThanOrEqual(3600);
      expect(row?.ttl).toBeGreaterThan(3500);
    });

    it('gives one of 20 who use a link at once a new password', async () => {
      await forgot(admin.email);
      const token = tokenIn((await mailbox.waitFor(admin.email)).text) ?? '';
      const responses = await Promise.all(Array.from({ length: 20 }, () => reset(token)));
      expect(countStatuses(responses)).toEqual({ 204: 1, 401: 19 });
    });

    it('voids its links with any other change of the password', async () => {
      await forgot(admin.email);
      const token = tokenIn((await mailbox.waitFor(admin.email)).text) ?? '';
      const change = { current_password: admin.password, new_password: newPassword() };
      expect((await server.api.post('/api/auth/password', change, admin.token)).status).toBe(204);
      expect((await reset(token)).status).toBe(401);
    });

    it('answers alike for whom there is not, and mails him nothing', async () => {
      const leaver = await server.api.newUser(admin, 'member');
      await server.api.delete(`/api/v1/users/${leaver.id}`, admin.token);
      const nobody = newEmail();
      const answers = [
        await forgot(admin.email),
        await forgot(nobody),
        await forgot(leaver.email),
        await forgot(admin.email, 'org_nobody_knows'),
      ];
      for (const { status, text } of answers) expect([status, text]).toEqual([202, '']);
      await mailbox.waitFor(admin.email);
      // What was asked for later has gone its way by now, too.
      const { email } = await invited();
      expect(email).not.toBe(nobody);
      const addresses = mailbox.mails.flatMap(({ to }) => to);
      expect(addresses).not.toContain(nobody);
      expect(addresses).not.toContain(leaver.email);
    });

    it('fills nobody’s mailbox', async () => {
      for (let round = 0; round < 6; round++) await forgot(admin.email);
      await invited();
      expect(mailbox.mails.filter(({ to }) => to.includes(admin.email))).toHaveLength(3);
    });

    it('is not replaced by a token that is none', async () => {
      for (const token of ['x', '', 'A'.repeat(86), 'A'.repeat(200)]) {
        expect((await reset(token)).status).toBe(401);
      }
    });
  });

  it('loses nothing and holds nobody up while the mail server is away', async () => {
    mailbox.refuse(true);
    const email = newEmail();
    expect((await invite({ email })).status).toBe(201);
    for (let attempt = 0; attempt < 100; attempt++) {
      if (server.logs().some(({ msg }) => msg === 'mail was not taken, trying again later')) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // The process that was to send it ends; another one takes over.
    await server.close();
    mailbox.refuse(false);
    await start({ SMTP_URL: mailbox.url });
    const mail = await mailbox.waitFor(email);
    expect(tokenIn(mail.text)).toBeDefined();
  });

  it('is a file where there is no mail server, and the log has no word of its secret', async () => {
    const folder = join(__dirname, '..', '..', '.local', 'mail');
    await server.close();
    await start({});
    const email = newEmail();
    expect((await invite({ email })).status).toBe(201);
    let file: string | undefined;
    for (let attempt = 0; attempt < 150 && file === undefined; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      file = filesOf(folder).find((path) => readFileSync(path, 'utf8').includes(`To: ${email}`));
    }
    const token = tokenIn(readFileSync(file ?? '', 'utf8')) ?? '';
    expect(token).toMatch(/^[\w-]{64}$/);
    const logs = started.flatMap((one) => one.logs());
    expect(logs).not.toEqual([]);
    expect(JSON.stringify(logs)).not.toContain(token);
    rmSync(file ?? '');
  });
});

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}
