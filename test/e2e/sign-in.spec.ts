import { setTimeout as sleep } from 'node:timers/promises';
import jwt from 'jsonwebtoken';
import { altered } from '../support/altered';
import { newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { TEST_SECRET } from '../support/config';
import { expectError } from '../support/envelope';

describe('Signing in', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());

  it('A7: registers the first user as admin and signs him in', async () => {
    const alice = {
      organization_id: newOrganizationId(),
      email: 'alice@example.com',
      password: 'correct-horse-42',
    };
    const names = { first_name: 'Alice', last_name: 'Smith', role: 'admin' };
    const registered = await server.api.register({ ...alice, ...names });
    expect(registered.status).toBe(201);
    const user = {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      organization_id: alice.organization_id,
      email: alice.email,
      ...names,
      status: 'active',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      updated_at: expect.any(String) as string,
    };
    const answer = {
      success: true,
      data: {
        user,
        access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) as string,
        token_type: 'Bearer',
        expires_in: 86_400,
        refresh_token: expect.stringMatching(/^[\w-]{43,}$/) as string,
      },
    };
    expect(registered.body).toEqual(answer);

    const signedIn = await server.api.login(alice);
    expect(signedIn.status).toBe(200);
    expect(signedIn.body).toEqual(answer);

    const { access_token: token } = (signedIn.body as { data: { access_token: string } }).data;
    const me = await server.api.get('/api/v1/users/me', token);
    expect(me.status).toBe(200);
    expect(me.body).toEqual({ success: true, data: user });
  });

  it('finds the account by any spelling of its email', async () => {
    const admin = await server.api.newAdmin();
    const response = await server.api.login({
      organization_id: admin.organizationId,
      email: ` ${admin.email.toUpperCase()} `,
      password: admin.password,
    });
    expect(response.status).toBe(200);
  });

  it('A5: answers every failed sign-in alike', async () => {
    const admin = await server.api.newAdmin();
    const leaver = await server.api.newUser(admin, 'member');
    await server.api.delete(`/api/v1/users/${leaver.id}`, admin.token);
    const { organizationId: organization_id, email, password } = admin;
    const attempts = [
      { organization_id, email, password: newPassword() },
      { organization_id, email: newEmail(), password },
      { organization_id: newOrganizationId(), email, password },
      { organization_id, email: leaver.email, password: leaver.password },
    ];
    for (const attempt of attempts) {
      const response = await server.api.login(attempt);
      expect(response.status).toBe(401);
      expectError(response.body, 'INVALID_CREDENTIALS');
      expect(response.headers['www-authenticate']).toBe('Bearer');
    }
  });

  describe('the access token', () => {
    const valid = () => ({
      sub: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11',
      sid: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11',
      org: 'org_123',
      jti: 'x',
      iss: 'crm-backend',
      aud: 'crm-api',
    });
    const header = { alg: 'HS256', typ: 'at+jwt', kid: 'default' };
    const sign = (payload: object, options: jwt.SignOptions = {}, secret = TEST_SECRET) =>
      jwt.sign(payload, secret, { header, expiresIn: 60, ...options });

    it('C1, C2, C3, C4: is refused without one, or with a bad one', async () => {
      const admin = await server.api.newAdmin();
      const none = await server.api.get('/api/v1/users/me');
      expect(none.status).toBe(401);
      expectError(none.body, 'UNAUTHENTICATED');
      expect(none.headers['www-authenticate']).toBe('Bearer');

      const claims = jwt.decode(admin.token) as Record<string, unknown>;
      const lasting = { ...claims };
      delete lasting.exp;
      delete lasting.iat;
      const bad: Record<string, string> = {
        garbage: 'abc',
        altered: altered(admin.token, -3),
        'of a stranger': sign(valid()),
        'with another secret': sign(lasting, {}, 'x'.repeat(64)),
        'without signature': jwt.sign(lasting, '', { algorithm: 'none', expiresIn: 60 }),
        'with another algorithm': sign(lasting, {
          header: { ...header, alg: 'HS512' },
          algorithm: 'HS512',
        }),
        'of another kind': sign(lasting, { header: { ...header, typ: 'rt+jwt' } }),
        'without a key': sign(lasting, { header: { alg: 'HS256', typ: 'at+jwt' } }),
        'with an unknown key': sign(lasting, { header: { ...header, kid: '../../etc/passwd' } }),
        'with a key of its own': sign(
          lasting,
          { header: { ...header, jku: 'http://127.0.0.1:1/' } },
          'x'.repeat(64),
        ),
        'with extensions': sign(lasting, { header: { ...header, crit: ['x'] } }),
        'for another audience': sign({ ...lasting, aud: 'other' }),
        'from another issuer': sign({ ...lasting, iss: 'other' }),
        'without expiry': jwt.sign(lasting, TEST_SECRET, { header }),
        'from the future': sign({ ...lasting, iat: Math.floor(Date.now() / 1000) + 600 }),
        'naming another organization': sign({ ...lasting, org: newOrganizationId() }),
        'with a session that is not there': sign({ ...lasting, sid: valid().sid }),
      };
      for (const [kind, token] of Object.entries(bad)) {
        const response = await server.api.get('/api/v1/users/me', token);
        expect([kind, response.status]).toEqual([kind, 401]);
        expectError(response.body, 'UNAUTHENTICATED');
      }
      // The control: the same way of signing, with nothing wrong.
      expect((await server.api.get('/api/v1/users/me', sign(lasting))).status).toBe(200);

      const expired = await server.api.get(
        '/api/v1/users/me',
        sign({ ...lasting }, { expiresIn: -1 }),
      );
      expect(expired.status).toBe(401);
      expectError(expired.body, 'TOKEN_EXPIRED');
    });

    it('C1, C3: is refused once its time is over, or something of it is changed, also when it was good', async () => {
      const admin = await server.api.newAdmin();
      const claims = jwt.decode(admin.token) as jwt.JwtPayload;
      delete claims.iat;
      delete claims.exp;
      const header = { alg: 'HS256', typ: 'at+jwt', kid: 'default' };
      const token = jwt.sign(claims, TEST_SECRET, { header, expiresIn: 2 });
      const me = (text: string) => server.api.get('/api/v1/users/me', text);
      expect((await me(token)).status).toBe(200);
      const at = token.lastIndexOf('.') + 1;
      const other = token[at] === 'A' ? 'B' : 'A';
      const changed = await me(token.slice(0, at) + other + token.slice(at + 1));
      expectError(changed.body, 'UNAUTHENTICATED');
      await sleep(2100);
      expectError((await me(token)).body, 'TOKEN_EXPIRED');
    });

    it('C13: is taken from the Authorization header only', async () => {
      const admin = await server.api.newAdmin();
      const response = await server.api.get(`/api/v1/users/me?access_token=${admin.token}`);
      expect(response.status).toBe(401);
    });

    it('C15: holds ids and times only', async () => {
      const admin = await server.api.newAdmin();
      const claims = jwt.decode(admin.token) as object;
      expect(Object.keys(claims).sort()).toEqual(
        ['aud', 'exp', 'iat', 'iss', 'jti', 'org', 'sid', 'sub'].sort(),
      );
    });
  });
});
