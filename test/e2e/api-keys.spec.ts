import type { Response } from 'supertest';
import { ApiKeysRepository } from '../../src/api-keys/api-keys.repository';
import { type Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

interface KeyBody {
  id: string;
  key: string;
  last_used_at: string | null;
}
const keyOf = (response: Response) => (response.body as { data: KeyBody }).data;

describe('API keys', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });

  const make = (body: object, token = admin.token) =>
    server.api.post('/api/v1/api-keys', body, token);
  const status = async (token: string, path = '/api/v1/users') =>
    (await server.api.get(path, token)).status;

  it('open what their role opens, in the name of their maker', async () => {
    const response = await make({ name: 'sync', role: 'viewer', expires_in_days: 1 });
    expect(response.status).toBe(201);
    const { key } = keyOf(response);
    expect(key).toMatch(/^crm_[\w-]{64,}$/);
    expect(await status(key)).toBe(200);
    const me = await server.api.get('/api/v1/users/me', key);
    expect(me.body).toMatchObject({ data: { id: admin.id } });
  });

  it('J4: are shown once, and say coarsely when they were used', async () => {
    const { id, key } = keyOf(await make({ name: 'sync', role: 'viewer' }));
    const before = await server.api.get('/api/v1/api-keys', admin.token);
    expect(before.body).toMatchObject({
      data: [{ id, name: 'sync', role: 'viewer', last_used_at: null }],
    });
    await status(key);
    const after = await server.api.get('/api/v1/api-keys', admin.token);
    expect((after.body as { data: KeyBody[] }).data[0]?.last_used_at).toEqual(expect.any(String));
    for (const { text } of [before, after]) {
      expect(text).not.toContain(key.slice(4, 30));
      expect(text).not.toMatch(/secret|hash/);
    }
  });

  it('can do nothing that would make them at home, whatever their role', async () => {
    const { key } = keyOf(await make({ name: 'sync', role: 'admin' }));
    const member = await server.api.newUser(admin, 'member');
    const attempts = [
      await make({ name: 'another', role: 'viewer' }, key),
      await server.api.get('/api/v1/api-keys', key),
      await server.api.post('/api/v1/invitations', { email: 'a@example.com' }, key),
      await server.api.patch(`/api/v1/users/${member.id}`, { role: 'admin' }, key),
      await server.api.delete(`/api/v1/users/${member.id}`, key),
      await server.api.patch('/api/v1/users/me', { first_name: 'Key' }, key),
      await server.api.post(
        '/api/auth/password',
        { current_password: admin.password, new_password: 'x' },
        key,
      ),
      await server.api.post('/api/auth/logout', undefined, key),
      await server.api.register(
        {
          organization_id: admin.organizationId,
          email: 'a@example.com',
          password: 'a-long-password',
        },
        key,
      ),
    ];
    for (const response of attempts) {
      expect(response.status).toBe(403);
      expectError(response.body, 'FORBIDDEN');
    }
  });

  it('end when they are revoked, and with their maker, and sink with his role', async () => {
    const first = keyOf(await make({ name: 'first', role: 'viewer' }));
    const stranger = await server.api.newAdmin();
    const path = `/api/v1/api-keys/${first.id}`;
    expect((await server.api.delete(path, stranger.token)).status).toBe(404);
    expect(await status(first.key)).toBe(200);
    expect((await server.api.delete(path, admin.token)).status).toBe(204);
    expect(await status(first.key)).toBe(401);
    expect((await server.api.delete(path, admin.token)).status).toBe(404);

    const other = await server.api.newUser(admin, 'admin');
    const second = keyOf(await make({ name: 'second', role: 'admin' }, other.token));
    expect(await status(second.key)).toBe(200);
    await server.api.delete(`/api/v1/users/${other.id}`, admin.token);
    expect(await status(second.key)).toBe(401);
  });

  it('end on their day', async () => {
    const made = await make({ name: 'sync', role: 'viewer', expires_in_days: 2 });
    const { created_at: created, expires_at: expires } = (
      made.body as { data: { created_at: string; expires_at: string } }
    ).data;
    expect(Date.parse(expires) - Date.parse(created)).toBe(2 * 86_400_000);
    const { key } = keyOf(made);
    const keys = server.app.get(ApiKeysRepository, { strict: false });
    const find = keys.find.bind(keys);
    const spy = jest.spyOn(keys, 'find').mockImplementation(async (...args) => {
      const found = await find(...args);
      return found && { ...found, expiresAt: new Date(Date.now() - 1) };
    });
    expect(await status(key)).toBe(401);
    spy.mockRestore();
    expect(await status(key)).toBe(200);
  });

  it('are for admins to make, with a name, a role and an end', async () => {
    const manager = await server.api.newUser(admin, 'manager');
    expect((await make({ name: 'x', role: 'viewer' }, manager.token)).status).toBe(403);
    for (const body of [
      {},
      { name: '', role: 'viewer' },
      { name: 'x', role: 'owner' },
      { name: 'x', role: 'viewer', expires_in_days: 0 },
      { name: 'x', role: 'viewer', expires_in_days: 366 },
      { name: 'x', role: 'viewer', expires_in_days: '7' },
      { name: 'x', role: 'viewer', id: admin.id },
    ]) {
      const response = await make(body);
      expect(response.status).toBe(400);
      expectError(response.body, 'VALIDATION_FAILED');
    }
  });

  it('are nothing else: altered, cut, or of another organization', async () => {
    const { key } = keyOf(await make({ name: 'sync', role: 'viewer' }));
    const bytes = Buffer.from(key.slice(4), 'base64url');
    const stranger = await server.api.newAdmin();
    const moved = Buffer.concat([bytes.subarray(0, 48), Buffer.from(stranger.organizationId)]);
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(40) ^ 1, 40);
    for (const text of [
      'crm_',
      'crm_x',
      `${key}A`,
      key.slice(0, -1),
      key.toUpperCase(),
      `crm_${altered.toString('base64url')}`,
      `crm_${moved.toString('base64url')}`,
      `crm_${'A'.repeat(2000)}`,
    ]) {
      const response = await server.api.get('/api/v1/users', text);
      expect([text.slice(0, 20), response.status]).toEqual([text.slice(0, 20), 401]);
      expectError(response.body, 'UNAUTHENTICATED');
    }
  });
});
