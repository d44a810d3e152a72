import jwt from 'jsonwebtoken';
import { countStatuses, newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { TEST_SECRET } from '../support/config';
import { expectError } from '../support/envelope';

const newAccount = (organization_id: string) => ({
  organization_id,
  email: newEmail(),
  password: newPassword(),
});

interface UserBody {
  data: { user: { role: string }; access_token?: string; refresh_token?: string };
}

describe('Registration', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());

  describe('by the state of the organization and the caller', () => {
    it('unseen, no token: creates it, and the caller is its admin whatever role says', async () => {
      for (const role of [undefined, 'viewer', 'member', 'admin']) {
        const response = await server.api.register({ ...newAccount(newOrganizationId()), role });
        expect(response.status).toBe(201);
        expect((response.body as UserBody).data.user.role).toBe('admin');
      }
    });

    it('A1: existing, no token: 403 INVITATION_REQUIRED, and nobody is added', async () => {
      const admin = await server.api.newAdmin();
      const response = await server.api.register({
        ...newAccount(admin.organizationId),
        role: 'admin',
      });
      expect(response.status).toBe(403);
      expectError(response.body, 'INVITATION_REQUIRED');
      const list = await server.api.get('/api/v1/users', admin.token);
      expect((list.body as { data: unknown[] }).data).toHaveLength(1);
    });

    it("existing, its admin's token: 201 with the role, member by default, without tokens", async () => {
      const admin = await server.api.newAdmin();
      for (const [role, expected] of [
        [undefined, 'member'],
        ['viewer', 'viewer'],
        ['admin', 'admin'],
      ]) {
        const account = newAccount(admin.organizationId);
        const response = await server.api.register({ ...account, role }, admin.token);
        expect(response.status).toBe(201);
        const { data } = response.body as UserBody;
        expect(data.user.role).toBe(expected);
        expect(Object.keys(data)).toEqual(['user']);
        expect((await server.api.login(account)).status).toBe(200);
      }
    });

    it('existing, a token without the permission: 403', async () => {
      const admin = await server.api.newAdmin();
      const member = await server.api.newUser(admin, 'manager');
      const response = await server.api.register(newAccount(admin.organizationId), member.token);
      expect(response.status).toBe(403);
      expectError(response.body, 'FORBIDDEN');
      expect(response.body).toMatchObject({ details: { permission: 'users:create' } });
    });

    it('any, a bad or expired token: 401, and nothing is created', async () => {
      const admin = await server.api.newAdmin();
      const claims = jwt.decode(admin.token) as Record<string, unknown>;
      const header = { alg: 'HS256', typ: 'at+jwt', kid: 'default' };
      const expired = jwt.sign({ ...claims, exp: 1 }, TEST_SECRET, { header });
      for (const token of ['garbage', '', expired]) {
        const account = newAccount(newOrganizationId());
        const response = await server.api.register(account, token);
        expect(response.status).toBe(401);
        expect((await server.api.login(account)).status).toBe(401);
      }
    });

    it('D1: other than that of the token: 403', async () => {
      const admin = await server.api.newAdmin();
      const other = await server.api.newAdmin();
      for (const id of [other.organizationId, newOrganizationId()]) {
        const response = await server.api.register(newAccount(id), admin.token);
        expect(response.status).toBe(403);
        expectError(response.body, 'FORBIDDEN');
      }
    });
  });

  it('A4, A8: refuses a taken email in any of its spellings, and tells nothing of its owner', async () => {
    const admin = await server.api.newAdmin();
    const local = `zo\u00eb-${newPassword()}`;
    const account = { ...newAccount(admin.organizationId), email: `${local}@example.com` };
    expect((await server.api.register(account, admin.token)).status).toBe(201);
    for (const email of [
      account.email,
      ` ${account.email} `,
      account.email.toUpperCase(),
      account.email.normalize('NFD'),
    ]) {
      const response = await server.api.register({ ...account, email }, admin.token);
      expect(response.status).toBe(409);
      expectError(response.body, 'EMAIL_TAKEN');
      expect(response.body).toMatchObject({ details: null });
    }
  });

  it('keeps the emails of organizations apart', async () => {
    const email = newEmail();
    for (let index = 0; index < 2; index++) {
      const account = { ...newAccount(newOrganizationId()), email };
      expect((await server.api.register(account)).status).toBe(201);
    }
  });

  it('A2: lets exactly one of 100 parallel registrations have an email', async () => {
    const admin = await server.api.newAdmin();
    const email = newEmail();
    const accounts = Array.from({ length: 100 }, () => ({
      ...newAccount(admin.organizationId),
      email,
    }));
    const responses = await Promise.all(
      accounts.map((account) => server.api.register(account, admin.token)),
    );
    expect(countStatuses(responses)).toEqual({ 201: 1, 409: 99 });
    const winner = accounts[responses.findIndex((response) => response.status === 201)];
    expect((await server.api.login(winner ?? {})).status).toBe(200);
    const list = await server.api.get('/api/v1/users', admin.token);
    expect((list.body as { data: unknown[] }).data).toHaveLength(2);
  });

  it('A3: lets exactly one of 100 parallel registrations have an unseen organization', async () => {
    const organizationId = newOrganizationId();
    const accounts = Array.from({ length: 100 }, () => newAccount(organizationId));
    const responses = await Promise.all(accounts.map((account) => server.api.register(account)));
    expect(countStatuses(responses)).toEqual({ 201: 1, 403: 99 });
    const winner = responses.find((response) => response.status === 201);
    const { access_token: token } = (winner?.body as UserBody).data;
    const list = await server.api.get('/api/v1/users', token);
    expect((list.body as { data: unknown[] }).data).toHaveLength(1);
  });
});
