import { setTimeout as sleep } from 'node:timers/promises';
import { AuditRepository } from '../../src/audit/audit.repository';
import { UsersRepository } from '../../src/users/users.repository';
import { type Account, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

interface Entry {
  id: string;
  at: string;
  action: string;
  outcome: string;
  actor_id: string | null;
  api_key_id: string | null;
  target_id: string | null;
  details: Record<string, string> | null;
  ip: string | null;
  request_id: string | null;
}
interface Body {
  data: Entry[];
  meta: { next_cursor: string | null };
}

describe('The audit trail', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp({ RATE_LIMITS: 'on', LOGIN_LIMIT: '2/15m', REGISTER_LIMIT: '1000/1h' });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const read = async (query = '', token = admin.token) => {
    const response = await server.api.get(`/api/v1/audit${query}`, token);
    expect(response.status).toBe(200);
    return response.body as Body;
  };
  const entries = async (query = '') => (await read(query)).data;
  /** The latest entry of an action; what is noted in the background takes a moment. */
  async function latest(action: string): Promise<Entry> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const [entry] = await entries(`?action=${action}`);
      if (entry) return entry;
      await sleep(50);
    }
    throw new Error(`no entry of ${action}`);
  }
  const loginBody = (account: Account, password = account.password) => ({
    organization_id: account.organizationId,
    email: account.email,
    password,
  });

  it('says who did what to whom, when, from where, and in which request', async () => {
    const member = await server.api.newUser(admin, 'member');
    const path = `/api/v1/users/${member.id}`;
    const response = await server.api.patch(path, { role: 'viewer' }, admin.token);
    const entry = await latest('user.changed');
    expect(entry).toEqual({
      id: expect.any(String) as string,
      at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      action: 'user.changed',
      outcome: 'success',
      actor_id: admin.id,
      api_key_id: null,
      target_id: member.id,
      details: { role: 'viewer' },
      ip: '127.0.0.1',
      request_id: response.headers['x-request-id'],
    });
    expect(Math.abs(Date.parse(entry.at) - Date.now())).toBeLessThan(10_000);
  });

  it('I3: has everything that must be there', async () => {
    const { api } = server;
    const member = await api.newUser(admin, 'member');
    await api.get('/api/v1/audit', member.token);
    await api.login(loginBody(member, newPassword()));
    await api.login(loginBody(member, newPassword()));
    await api.login(loginBody(member));
    const change = { current_password: admin.password, new_password: newPassword() };
    await api.post('/api/auth/password', change, admin.token);
    const invited = await api.post('/api/v1/invitations', { email: newEmail() }, admin.token);
    const { id } = (invited.body as { data: { id: string } }).data;
    await api.delete(`/api/v1/invitations/${id}`, admin.token);
    const made = await api.post('/api/v1/api-keys', { name: 'x', role: 'admin' }, admin.token);
    const key = (made.body as { data: { id: string; key: string } }).data;
    await api.delete(`/api/v1/users/${member.id}`, key.key);
    await api.delete(`/api/v1/api-keys/${key.id}`, admin.token);
    await api.delete(`/api/v1/users/${member.id}/sessions`, admin.token);
    await api.delete(`/api/v1/users/${member.id}`, admin.token);
    const { organizationId: organization_id, email } = admin;
    await api.post('/api/auth/password/forgot', { organization_id, email });
    const other = await api.newAdmin(undefined);
    const { refresh_token: next } = (
      (await api.post('/api/auth/refresh', { refresh_token: other.refreshToken })).body as {
        data: { refresh_token: string };
      }
    ).data;
    await api.post('/api/auth/refresh', { refresh_token: next });
    await api.post('/api/auth/refresh', { refresh_token: other.refreshToken });

    for (const [action, outcome] of [
      ['organization.created', 'success'],
      ['session.started', 'success'],
      ['user.created', 'success'],
      ['login.failed', 'refused'],
      ['login.locked', 'refused'],
      ['password.changed', 'success'],
      ['password.reset_requested', 'success'],
      ['invitation.created', 'success'],
      ['invitation.cancelled', 'success'],
      ['api_key.created', 'success'],
      ['api_key.revoked', 'success'],
      ['access.denied', 'refused'],
      ['user.sessions_ended', 'success'],
      ['user.changed', 'success'],
    ] as const) {
      expect([action, (await latest(action)).outcome]).toEqual([action, outcome]);
    }
    const denied = await entries('?action=access.denied');
    expect(denied.map(({ details }) => details?.permission).sort()).toEqual([
      'audit:read',
      'users:deactivate',
    ]);
    expect(denied.map(({ api_key_id: used }) => used)).toContain(key.id);
    const all = JSON.stringify(await entries('?limit=200'));
    for (const secret of [admin.password, admin.token, key.key, change.new_password]) {
      expect(all).not.toContain(secret);
    }
    // The session that was reused is gone, and so is its token; its entry is in the other book.
    expect((await server.api.get('/api/v1/audit', other.token)).status).toBe(401);
    const { data } = await readAs(other);
    expect(data.map(({ action }) => action)).toContain('session.reused');
  });

  async function readAs(account: Account): Promise<Body> {
    const response = await server.api.login(loginBody(account));
    const { access_token: token } = (response.body as { data: { access_token: string } }).data;
    return read('', token);
  }

  it('walks all entries once, newest first, and filters', async () => {
    for (let index = 0; index < 6; index++) await server.api.newUser(admin, 'member');
    const whole = await entries('?limit=200');
    const walked: Entry[] = [];
    let cursor: string | null = null;
    do {
      const page: Body = await read(`?limit=4${cursor === null ? '' : `&cursor=${cursor}`}`);
      walked.push(...page.data);
      cursor = page.meta.next_cursor;
    } while (cursor !== null);
    expect(walked).toEqual(whole);
    const times = whole.map(({ at }) => at);
    expect(times).toEqual([...times].sort().reverse());

    expect(await entries('?action=user.created')).toHaveLength(6);
    const [first] = await entries('?action=organization.created');
    expect(await entries(`?to=${first?.at ?? ''}`)).toEqual([]);
    expect(await entries(`?from=${first?.at ?? ''}&limit=200`)).toEqual(whole);
    const own = await entries(`?actor_id=${admin.id.toUpperCase()}&limit=200`);
    expect(own.length).toBeGreaterThan(6);
    expect(own.every(({ actor_id: actor }) => actor === admin.id)).toBe(true);
  });

  it.each([
    'action=nothing',
    'actor_id=1',
    'from=yesterday',
    'to=2026-02-30',
    'from=2026-13-01T00:00:00Z',
    'limit=0',
    'user=1',
  ])('refuses ?%s', async (query) => {
    const response = await server.api.get(`/api/v1/audit?${query}`, admin.token);
    expect(response.status).toBe(400);
    expectError(response.body, 'VALIDATION_FAILED');
  });

  it('I4: is for the admins of its organization, and for nobody to change', async () => {
    const manager = await server.api.newUser(admin, 'manager');
    expect((await server.api.get('/api/v1/audit', manager.token)).status).toBe(403);
    const stranger = await server.api.newAdmin();
    const theirs = await read('?limit=200', stranger.token);
    expect(JSON.stringify(theirs)).not.toContain(admin.id);
    const page = await read('?limit=1');
    const foreign = await server.api.get(
      `/api/v1/audit?limit=1&cursor=${page.meta.next_cursor ?? ''}`,
      stranger.token,
    );
    expect(foreign.status).toBe(400);
    expectError(foreign.body, 'INVALID_CURSOR');
    for (const method of ['post', 'put', 'patch', 'delete'] as const) {
      const response = await server.api.call(method, '/api/v1/audit', {}, admin.token);
      expect(response.status).toBe(405);
      expect(response.headers.allow).toBe('GET, HEAD');
    }
  });

  it('comes before the change: without an entry there is no change', async () => {
    const member = await server.api.newUser(admin, 'member');
    const path = `/api/v1/users/${member.id}`;
    const book = server.app.get(AuditRepository, { strict: false });
    jest.spyOn(book, 'put').mockRejectedValue(new Error('the book is closed'));
    expect((await server.api.patch(path, { role: 'admin' }, admin.token)).status).toBe(500);
    jest.restoreAllMocks();
    const unchanged = await server.api.get(path, admin.token);
    expect(unchanged.body).toMatchObject({ data: { role: 'member' } });
  });

  it('says "unknown" where nobody knows whether the change was made', async () => {
    const member = await server.api.newUser(admin, 'member');
    const users = server.app.get(UsersRepository, { strict: false });
    jest.spyOn(users, 'update').mockRejectedValue(new Error('cut off'));
    const path = `/api/v1/users/${member.id}`;
    expect((await server.api.patch(path, { role: 'viewer' }, admin.token)).status).toBe(500);
    jest.restoreAllMocks();
    expect((await latest('user.changed')).outcome).toBe('unknown');
  });
});
