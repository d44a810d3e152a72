import type { Response } from 'supertest';
import { type Account, Api, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { startServer } from '../support/process';

interface Tokens {
  access_token: string;
  refresh_token: string;
}
interface SessionBody {
  id: string;
  current: boolean;
  ip: string;
}

const tokensOf = (response: Response) => (response.body as { data: Tokens }).data;

describe('Sessions', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp({ REFRESH_GRACE: '2' });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });

  const refresh = (refresh_token: string) =>
    server.api.post('/api/auth/refresh', { refresh_token });
  const me = async (token: string) => (await server.api.get('/api/v1/users/me', token)).status;
  const signIn = async (account: Account) =>
    tokensOf(
      await server.api.login({
        organization_id: account.organizationId,
        email: account.email,
        password: account.password,
      }),
    );
  /** What another process may still remember. */
  const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1000));
  const graceOver = () => new Promise((resolve) => setTimeout(resolve, 2100));

  describe('refreshing', () => {
    it('gives the next pair, and the next after it', async () => {
      let token = admin.refreshToken;
      for (let round = 0; round < 3; round++) {
        const response = await refresh(token);
        expect(response.status).toBe(200);
        const next = tokensOf(response);
        expect(next.refresh_token).not.toBe(token);
        expect(await me(next.access_token)).toBe(200);
        token = next.refresh_token;
      }
    });

    it('answers a repeat within the grace as before: a lost answer signs nobody out', async () => {
      const first = tokensOf(await refresh(admin.refreshToken));
      const again = tokensOf(await refresh(admin.refreshToken));
      expect(again.refresh_token).toBe(first.refresh_token);
      expect((await refresh(again.refresh_token)).status).toBe(200);
    });

    it('C9: leaves one lineage of 20 parallel refreshes with one token', async () => {
      const responses = await Promise.all(
        Array.from({ length: 20 }, () => refresh(admin.refreshToken)),
      );
      expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
      const successors = new Set(responses.map((response) => tokensOf(response).refresh_token));
      expect(successors.size).toBe(1);
      const [successor = ''] = successors;
      expect((await refresh(successor)).status).toBe(200);
      const list = await server.api.get('/api/auth/sessions', admin.token);
      expect((list.body as { data: unknown[] }).data).toHaveLength(1);
    });

    it('ends the session when a spent token turns up after the grace', async () => {
      const next = tokensOf(await refresh(admin.refreshToken));
      await graceOver();
      const reuse = await refresh(admin.refreshToken);
      expect(reuse.status).toBe(401);
      expectError(reuse.body, 'UNAUTHENTICATED');
      expect((await refresh(next.refresh_token)).status).toBe(401);
      expect(await me(next.access_token)).toBe(401);
      expect(server.logs().some((line) => line.msg === 'refresh token reused')).toBe(true);
    });

    it('ends it as well for a token that is two trades old', async () => {
      const second = tokensOf(await refresh(admin.refreshToken));
      const third = tokensOf(await refresh(second.refresh_token));
      expect((await refresh(admin.refreshToken)).status).toBe(401);
      expect((await refresh(third.refresh_token)).status).toBe(401);
    });

    it('cannot be ended by a token that somebody made up', async () => {
      const bytes = Buffer.from(admin.refreshToken, 'base64url');
      // The ids are right, the secret is not.
      for (const at of [0, 20, 60, 70]) {
        const forged = Buffer.from(bytes);
        forged.writeUInt8(forged.readUInt8(at) ^ 1, at);
        expect((await refresh(forged.toString('base64url'))).status).toBe(401);
      }
      for (const text of ['x', 'A'.repeat(100), '!'.repeat(100), 'A'.repeat(500)]) {
        expect((await refresh(text)).status).toBe(401);
      }
      expect((await refresh(admin.refreshToken)).status).toBe(200);
    });
  });

  describe('ending', () => {
    it('C10: ends the session of the token on logout, and no other', async () => {
      const phone = await signIn(admin);
      expect(
        (await server.api.post('/api/auth/logout', undefined, phone.access_token)).status,
      ).toBe(204);
      expect(await me(phone.access_token)).toBe(401);
      expect((await refresh(phone.refresh_token)).status).toBe(401);
      expect(await me(admin.token)).toBe(200);
    });

    it('lists the own sessions, newest first, and ends one of them', async () => {
      const phone = await signIn(admin);
      const list = await server.api.get('/api/auth/sessions', admin.token);
      const { data } = list.body as { data: SessionBody[] };
      expect(data).toHaveLength(2);
      expect(data.map(({ current }) => current)).toEqual([false, true]);
      expect(data[0]).toMatchObject({ ip: '127.0.0.1' });
      expect(JSON.stringify(data)).not.toMatch(/hash|epoch|token/);

      const path = `/api/auth/sessions/${String(data[0]?.id)}`;
      expect((await server.api.delete(path, admin.token)).status).toBe(204);
      expect(await me(phone.access_token)).toBe(401);
      expect(await me(admin.token)).toBe(200);
      expect((await server.api.delete(path, admin.token)).status).toBe(404);
    });

    it("leaves everybody else's sessions alone", async () => {
      const member = await server.api.newUser(admin, 'member');
      const list = await server.api.get('/api/auth/sessions', member.token);
      const { data } = list.body as { data: SessionBody[] };
      const path = `/api/auth/sessions/${String(data[0]?.id)}`;
      expect((await server.api.delete(path, admin.token)).status).toBe(404);
      expect(await me(member.token)).toBe(200);
    });

    it('C12: lets an admin end all sessions of a user, and nobody else', async () => {
      const member = await server.api.newUser(admin, 'member');
      const phone = await signIn(member);
      const path = `/api/v1/users/${member.id}/sessions`;
      expect((await server.api.delete(path, member.token)).status).toBe(403);
      const stranger = await server.api.newAdmin();
      expect((await server.api.delete(path, stranger.token)).status).toBe(404);
      expect(await me(member.token)).toBe(200);

      expect((await server.api.delete(path, admin.token)).status).toBe(204);
      for (const token of [member.token, phone.access_token]) expect(await me(token)).toBe(401);
      for (const token of [member.refreshToken, phone.refresh_token]) {
        expect((await refresh(token)).status).toBe(401);
      }
      expect(await me((await signIn(member)).access_token)).toBe(200);
    });

    it('does not bring old sessions back with a user who comes back', async () => {
      const member = await server.api.newUser(admin, 'member');
      const path = `/api/v1/users/${member.id}`;
      await server.api.delete(path, admin.token);
      await server.api.patch(path, { status: 'active' }, admin.token);
      expect(await me(member.token)).toBe(401);
      expect((await refresh(member.refreshToken)).status).toBe(401);
    });
  });

  describe('changing the password', () => {
    const change = (token: string, body: object) =>
      server.api.post('/api/auth/password', body, token);

    it('needs the current one, and a good new one', async () => {
      const wrong = await change(admin.token, {
        current_password: newPassword(),
        new_password: newPassword(),
      });
      expect(wrong.status).toBe(401);
      expectError(wrong.body, 'INVALID_CREDENTIALS');
      const weak = await change(admin.token, {
        current_password: admin.password,
        new_password: 'password1',
      });
      expect(weak.status).toBe(400);
      expect(await me(admin.token)).toBe(200);
    });

    it('C11: ends the other sessions, keeps its own, and takes the old password out of use', async () => {
      const phone = await signIn(admin);
      const password = newPassword();
      const response = await change(admin.token, {
        current_password: admin.password,
        new_password: password,
      });
      expect(response.status).toBe(204);
      expect(await me(phone.access_token)).toBe(401);
      expect((await refresh(phone.refresh_token)).status).toBe(401);
      expect(await me(admin.token)).toBe(200);
      expect((await refresh(admin.refreshToken)).status).toBe(200);
      const { organizationId: organization_id, email } = admin;
      const old = await server.api.login({ organization_id, email, password: admin.password });
      expect(old.status).toBe(401);
      expect((await server.api.login({ organization_id, email, password })).status).toBe(200);
    });
  });

  it('C6: end on every process within a second, and outlive a change of keys', async () => {
    const keys = ['k1', 'k2'].map((kid) => `${kid}:${'0123456789abcdef'.repeat(3)}${kid}`);
    const old = await startServer({ JWT_KEYS: keys[0] ?? '' });
    const both = await startServer({ JWT_KEYS: `${String(keys[1])},${String(keys[0])}` });
    const [oldApi, bothApi] = [new Api(old.url), new Api(both.url)];
    const account = await oldApi.newAdmin();
    const read = async (api: Api, token: string) =>
      (await api.get('/api/v1/users/me', token)).status;

    // The new process takes the tokens of the old one, access and refresh; not the other way.
    expect(await read(bothApi, account.token)).toBe(200);
    const refreshed = await bothApi.post('/api/auth/refresh', {
      refresh_token: account.refreshToken,
    });
    expect(refreshed.status).toBe(200);
    const { access_token: token } = tokensOf(refreshed);
    expect([await read(bothApi, token), await read(oldApi, token)]).toEqual([200, 401]);

    // Ended here, ended there, though both have just let it in.
    expect([await read(oldApi, account.token), await read(bothApi, token)]).toEqual([200, 200]);
    expect((await bothApi.post('/api/auth/logout', undefined, token)).status).toBe(204);
    expect(await read(bothApi, token)).toBe(401);
    await aSecond();
    expect(await read(oldApi, account.token)).toBe(401);

    const third = await oldApi.newAdmin();
    const elsewhere = tokensOf(
      await bothApi.login({
        organization_id: third.organizationId,
        email: third.email,
        password: third.password,
      }),
    );
    const change = { current_password: third.password, new_password: newPassword() };
    expect(await read(bothApi, elsewhere.access_token)).toBe(200);
    const changed = await oldApi.post('/api/auth/password', change, third.token);
    expect(changed.status).toBe(204);
    // What a process remembers of a user keeps nobody out who has signed in at another.
    const { organizationId: organization_id, email } = third;
    const password = change.new_password;
    const anew = tokensOf(await oldApi.login({ organization_id, email, password }));
    expect(await read(bothApi, anew.access_token)).toBe(200);
    await aSecond();
    expect(await read(bothApi, elsewhere.access_token)).toBe(401);

    const second = await oldApi.newAdmin();
    const member = await oldApi.newUser(second, 'member');
    expect(await read(bothApi, member.token)).toBe(200);
    await oldApi.patch(`/api/v1/users/${member.id}`, { role: 'viewer' }, second.token);
    const profile = await bothApi.get('/api/v1/users/me', member.token);
    expect(profile.body).toMatchObject({ data: { role: 'viewer' } });
    await oldApi.delete(`/api/v1/users/${member.id}`, second.token);
    await aSecond();
    expect(await read(bothApi, member.token)).toBe(401);

    for (const server of [old, both]) {
      server.child.kill('SIGTERM');
      expect(await server.ended).toBe(0);
    }
  });
});
