import { altered } from '../support/altered';
import { type Account, countStatuses, newOrganizationId } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

interface UserBody {
  id: string;
  role: string;
  status: string;
  first_name: string | null;
  last_name: string | null;
  updated_at: string;
}
interface ListBody {
  data: UserBody[];
  meta: { limit: number; next_cursor: string | null };
}

describe('Users', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });

  const userOf = (response: { body: unknown }) => (response.body as { data: UserBody }).data;

  describe('the list', () => {
    it('walks all users once, oldest first, in pages of any size', async () => {
      const others: string[] = [];
      for (let index = 0; index < 6; index++) {
        others.push((await server.api.newUser(admin, 'member')).id);
      }
      for (const limit of [1, 3, 7, 200]) {
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const after: string = cursor === null ? '' : `&cursor=${cursor}`;
          const response = await server.api.get(
            `/api/v1/users?limit=${String(limit)}${after}`,
            admin.token,
          );
          expect(response.status).toBe(200);
          const { data, meta } = response.body as ListBody;
          expect(meta.limit).toBe(limit);
          expect(data.length).toBeLessThanOrEqual(limit);
          seen.push(...data.map((user) => user.id));
          cursor = meta.next_cursor;
        } while (cursor !== null);
        expect(seen).toEqual([admin.id, ...others]);
      }
    });

    it("D4: refuses another organization's cursor, an altered one, and none at all", async () => {
      await server.api.newUser(admin, 'member');
      const page = await server.api.get('/api/v1/users?limit=1', admin.token);
      const cursor = String((page.body as ListBody).meta.next_cursor);
      const other = await server.api.newAdmin();
      const attempts: [string, string][] = [
        [cursor, other.token],
        [`${cursor}A`, admin.token],
        [altered(cursor, 0), admin.token],
        ['', admin.token],
        ['%00', admin.token],
      ];
      for (const [text, token] of attempts) {
        const response = await server.api.get(`/api/v1/users?cursor=${text}`, token);
        expect([text, response.status]).toEqual([text, 400]);
      }
    });

    it.each([
      'limit=0',
      'limit=201',
      'limit=-1',
      'limit=1e2',
      'limit=1.5',
      'limit=',
      'limit=1&limit=2',
      'page=2',
      'limit[a]=1',
    ])('refuses ?%s', async (query) => {
      const response = await server.api.get(`/api/v1/users?${query}`, admin.token);
      expect(response.status).toBe(400);
      expectError(response.body, 'VALIDATION_FAILED');
    });
  });

  it('reads one user, in any case of the id', async () => {
    const user = await server.api.newUser(admin, 'viewer');
    for (const id of [user.id, user.id.toUpperCase()]) {
      const response = await server.api.get(`/api/v1/users/${id}`, admin.token);
      expect(response.status).toBe(200);
      expect(userOf(response)).toMatchObject({ id: user.id, role: 'viewer', status: 'active' });
    }
  });

  it('answers an id of another organization exactly as an unknown one', async () => {
    const foreign = await server.api.newAdmin();
    const unknown = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';
    for (const method of ['get', 'patch', 'delete'] as const) {
      const body = method === 'patch' ? { first_name: 'Mallory', role: 'viewer' } : undefined;
      const answers = await Promise.all(
        [foreign.id, unknown].map((id) =>
          server.api.call(method, `/api/v1/users/${id}`, body, admin.token),
        ),
      );
      const [theirs, nobodys] = answers;
      expect(theirs?.status).toBe(404);
      expectError(theirs?.body, 'NOT_FOUND');
      expect(theirs?.body).toEqual(nobodys?.body);
    }
    const untouched = await server.api.get('/api/v1/users/me', foreign.token);
    expect(userOf(untouched)).toMatchObject({ first_name: null, role: 'admin', status: 'active' });
  });

  it('refuses an id that is none', async () => {
    for (const id of ['1', 'me2', '%00', "'", '0197c1b2']) {
      const response = await server.api.get(`/api/v1/users/${id}`, admin.token);
      expect([id, response.status]).toEqual([id, 400]);
    }
  });

  it('changes the own name, and clears it by null', async () => {
    const changed = await server.api.patch(
      '/api/v1/users/me',
      { first_name: ' Zoë ', last_name: 'O’Neil 李' },
      admin.token,
    );
    expect(changed.status).toBe(200);
    expect(userOf(changed)).toMatchObject({ first_name: 'Zoë', last_name: 'O’Neil 李' });
    const cleared = await server.api.patch('/api/v1/users/me', { first_name: null }, admin.token);
    expect(userOf(cleared)).toMatchObject({ first_name: null, last_name: 'O’Neil 李' });
  });

  it.each([
    { role: 'admin' },
    { status: 'active' },
    { organization_id: newOrganizationId() },
    { password_hash: 'x' },
    { id: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' },
    { created_at: '2020-01-01T00:00:00.000Z' },
    { version: 9 },
    { first_name: 7 },
    { first_name: '' },
    { first_name: 'a\u0000b' },
    { first_name: 'x'.repeat(201) },
  ])('lets nobody write %j to himself', async (body) => {
    const before = userOf(await server.api.get('/api/v1/users/me', admin.token));
    const response = await server.api.patch('/api/v1/users/me', body, admin.token);
    expect(response.status).toBe(400);
    expectError(response.body, 'VALIDATION_FAILED');
    expect(userOf(await server.api.get('/api/v1/users/me', admin.token))).toEqual(before);
  });

  it('C14, E6: lets an admin change role and status, with effect on the next request', async () => {
    const manager = await server.api.newUser(admin, 'manager');
    const path = `/api/v1/users/${manager.id}`;
    const promoted = await server.api.patch(path, { role: 'admin' }, admin.token);
    expect(userOf(promoted).role).toBe('admin');
    const third = await server.api.newUser(admin, 'member');
    const rename = { first_name: 'Renamed' };
    expect(
      (await server.api.patch(`/api/v1/users/${third.id}`, rename, manager.token)).status,
    ).toBe(200);

    await server.api.patch(path, { role: 'viewer' }, admin.token);
    const refused = await server.api.patch(`/api/v1/users/${third.id}`, rename, manager.token);
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ details: { permission: 'users:update' } });
  });

  it('ends access with the next request of a deactivated user, and can give it back', async () => {
    const member = await server.api.newUser(admin, 'member');
    expect((await server.api.get('/api/v1/users/me', member.token)).status).toBe(200);
    const path = `/api/v1/users/${member.id}`;
    expect((await server.api.delete(path, admin.token)).status).toBe(204);
    expect((await server.api.delete(path, admin.token)).status).toBe(204);
    const refused = await server.api.get('/api/v1/users/me', member.token);
    expect(refused.status).toBe(401);
    const refresh = { refresh_token: member.refreshToken };
    expect((await server.api.post('/api/auth/refresh', refresh)).status).toBe(401);
    expect(userOf(await server.api.get(path, admin.token)).status).toBe('deactivated');

    await server.api.patch(path, { status: 'active' }, admin.token);
    const account = {
      organization_id: admin.organizationId,
      email: member.email,
      password: member.password,
    };
    expect((await server.api.login(account)).status).toBe(200);
  });

  it('lets nobody change his own role or status', async () => {
    await server.api.newUser(admin, 'admin');
    const path = `/api/v1/users/${admin.id}`;
    for (const response of [
      await server.api.patch(path, { role: 'viewer' }, admin.token),
      await server.api.patch(path, { status: 'deactivated' }, admin.token),
      await server.api.delete(path, admin.token),
    ]) {
      expect(response.status).toBe(403);
      expectError(response.body, 'FORBIDDEN');
    }
  });

  it('E4: keeps one active admin when admins depose each other at once', async () => {
    for (let round = 0; round < 5; round++) {
      const first = await server.api.newAdmin();
      const second = await server.api.newUser(first, 'admin');
      const responses = await Promise.all([
        server.api.patch(`/api/v1/users/${second.id}`, { role: 'member' }, first.token),
        server.api.delete(`/api/v1/users/${first.id}`, second.token),
      ]);
      const won = responses.filter(({ status }) => status < 300);
      expect(won).toHaveLength(1);
      // Either he lost the race for the last admin, or his rights were gone before he was asked.
      expect(
        responses.every(({ status }) => status < 300 || [401, 403, 409].includes(status)),
      ).toBe(true);
      const survivor = responses[0] === won[0] ? first : second;
      const list = await server.api.get('/api/v1/users', survivor.token);
      const admins = (list.body as ListBody).data.filter(
        (user) => user.role === 'admin' && user.status === 'active',
      );
      expect(admins).toHaveLength(1);
    }
  });

  it('keeps one active admin when many depose one another at once', async () => {
    const admins = [admin];
    for (let index = 0; index < 5; index++) admins.push(await server.api.newUser(admin, 'admin'));
    const attempts = admins.flatMap((actor) =>
      admins.filter((target) => target !== actor).map((target) => ({ actor, target })),
    );
    const responses = await Promise.all(
      attempts.map(({ actor, target }) =>
        server.api.patch(`/api/v1/users/${target.id}`, { role: 'member' }, actor.token),
      ),
    );
    expect(Object.keys(countStatuses(responses)).every((status) => Number(status) < 500)).toBe(
      true,
    );
    const list = await server.api.get('/api/v1/users', admin.token);
    const left = (list.body as ListBody).data.filter((user) => user.role === 'admin');
    expect(left.length).toBeGreaterThanOrEqual(1);
  });
});
