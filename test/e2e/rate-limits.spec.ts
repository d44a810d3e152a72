import { randomInt } from 'node:crypto';
import supertest, { type Response } from 'supertest';
import {
  type Account,
  countStatuses,
  newEmail,
  newOrganizationId,
  newPassword,
} from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { changes, scrape } from '../support/metrics';
import { rememberSecrets } from '../support/run-log';

/** An address that no other test has. */
const newAddress = () => [10, randomInt(256), randomInt(256), randomInt(1, 255)].join('.');

describe('Limits on what is tried often', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp({
      RATE_LIMITS: 'on',
      TRUST_PROXY: '1',
      LOGIN_LIMIT: '10/15m,30/1d',
      LOGIN_ACCOUNT_LIMIT: '15/15m',
      LOGIN_ADDRESS_LIMIT: '25/15m',
      REGISTER_LIMIT: '5/1h',
      REFRESH_LIMIT: '5/1m',
      RESET_LIMIT: '5/1h',
      INVITE_LIMIT: '3/1d',
      PASSWORD_LIMIT: '3/15m',
      REQUEST_LIMIT: '40/1m',
      KEY_LIMIT: '5/1m',
    });
  });
  afterAll(() => server.close());

  async function post(
    path: string,
    body: object,
    address: string,
    token?: string,
  ): Promise<Response> {
    rememberSecrets(body);
    const request = supertest(server.url).post(path).set('X-Forwarded-For', address);
    if (token !== undefined) void request.set('Authorization', `Bearer ${token}`);
    const response = await request.send(body);
    rememberSecrets(response.body);
    return response;
  }
  const login = (account: Account, password: string, address: string) =>
    post(
      '/api/auth/login',
      { organization_id: account.organizationId, email: account.email, password },
      address,
    );

  async function newAdmin(address = newAddress()): Promise<Account> {
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    const response = await post('/api/auth/register', account, address);
    const { user, access_token, refresh_token } = (
      response.body as {
        data: { user: { id: string }; access_token: string; refresh_token: string };
      }
    ).data;
    return {
      id: user.id,
      organizationId: account.organization_id,
      email: account.email,
      password: account.password,
      token: access_token,
      refreshToken: refresh_token,
    };
  }

  function expectRefused(response: Response, code: 'TOO_MANY_ATTEMPTS' | 'RATE_LIMITED'): void {
    expect(response.status).toBe(429);
    expectError(response.body, code);
    const seconds = Number(response.headers['retry-after']);
    expect(seconds).toBeGreaterThan(0);
    expect(response.body).toMatchObject({ details: { retry_after: seconds } });
    expect(response.headers['ratelimit-policy']).toMatch(/^"[\w-]+";q=\d+;w=\d+/);
    expect(response.headers.ratelimit).toMatch(new RegExp(`^"[\\w-]+";r=0;t=${String(seconds)}$`));
  }

  it('G1: compares at most ten of a hundred wrong passwords at once', async () => {
    const admin = await newAdmin();
    const address = newAddress();
    const responses = await Promise.all(
      Array.from({ length: 40 }, () => login(admin, newPassword(), address)),
    );
    const more = await Promise.all(
      Array.from({ length: 60 }, () => login(admin, newPassword(), address)),
    );
    const counts = countStatuses([...responses, ...more]);
    expect(Object.keys(counts).every((status) => ['401', '429'].includes(status))).toBe(true);
    expect(counts[401] ?? 0).toBeLessThanOrEqual(10);
    expect(counts[429]).toBeGreaterThanOrEqual(90);
  });

  it('G3: refuses the eleventh, also for an account there is not, and also with the right password', async () => {
    const admin = await newAdmin();
    const address = newAddress();
    const nobody = { ...admin, email: newEmail() };
    for (const account of [admin, nobody]) {
      for (let attempt = 0; attempt < 10; attempt++) {
        expect((await login(account, newPassword(), address)).status).toBe(401);
      }
      expectRefused(await login(account, newPassword(), address), 'TOO_MANY_ATTEMPTS');
    }
    expectRefused(await login(admin, admin.password, address), 'TOO_MANY_ATTEMPTS');
  });

  it('G2: does not lock the owner out of an address he has signed in from', async () => {
    const admin = await newAdmin();
    const desk = newAddress();
    expect((await login(admin, admin.password, desk)).status).toBe(200);
    // Strangers guess from two addresses until nobody new gets a try at this account any more.
    for (const address of [newAddress(), newAddress()]) {
      for (let attempt = 0; attempt < 10; attempt++) await login(admin, newPassword(), address);
    }
    expectRefused(await login(admin, admin.password, newAddress()), 'TOO_MANY_ATTEMPTS');
    expect((await login(admin, admin.password, desk)).status).toBe(200);
  });

  it('forgets failures when the right password comes', async () => {
    const admin = await newAdmin();
    const address = newAddress();
    for (let round = 0; round < 3; round++) {
      for (let attempt = 0; attempt < 7; attempt++) {
        expect((await login(admin, newPassword(), address)).status).toBe(401);
        if (round > 0 && attempt >= 3) break;
      }
      expect((await login(admin, admin.password, address)).status).toBe(200);
    }
  });

  it('counts an address over all accounts, and all of an IPv6 /64 as one', async () => {
    const network = `2001:db8:${randomInt(65_536).toString(16)}:1`;
    const responses: Response[] = [];
    for (let attempt = 0; attempt < 27; attempt++) {
      const body = {
        organization_id: newOrganizationId(),
        email: newEmail(),
        password: newPassword(),
      };
      responses.push(await post('/api/auth/login', body, `${network}::${attempt.toString(16)}`));
    }
    expect(countStatuses(responses)).toEqual({ 401: 25, 429: 2 });
  });

  it('G4: believes only the last proxy: who forges addresses before it gains nothing', async () => {
    const admin = await newAdmin();
    const address = newAddress();
    const responses: Response[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      responses.push(await login(admin, newPassword(), `${newAddress()}, ${address}`));
    }
    expect(countStatuses(responses)).toEqual({ 401: 10, 429: 2 });
  });

  it.each([
    [
      'registrations',
      () =>
        post(
          '/api/auth/register',
          { organization_id: newOrganizationId(), email: newEmail(), password: newPassword() },
          '192.0.2.1',
        ),
      201,
    ],
    [
      'password links',
      () =>
        post(
          '/api/auth/password/forgot',
          { organization_id: 'org_x', email: newEmail() },
          '192.0.2.2',
        ),
      202,
    ],
    [
      'uses of password links',
      () =>
        post(
          '/api/auth/password/reset',
          { organization_id: 'org_x', token: 'x', new_password: newPassword() },
          '192.0.2.3',
        ),
      401,
    ],
  ] as const)('limits %s from one address', async (_what, send, status) => {
    const responses: Response[] = [];
    for (let attempt = 0; attempt < 6; attempt++) responses.push(await send());
    // The database may remember an earlier run of this test.
    const allowed = responses.filter((response) => response.status === status);
    expect(allowed.length).toBeLessThanOrEqual(5);
    expectRefused(responses[5] as Response, 'RATE_LIMITED');
  });

  it('G5: limits refreshes of one session, invitations of one organization, guesses at the own password', async () => {
    const admin = await newAdmin();
    const other = await newAdmin();
    const address = newAddress();
    const refresh = { refresh_token: admin.refreshToken };
    for (let attempt = 0; attempt < 5; attempt++) {
      expect((await post('/api/auth/refresh', refresh, address)).status).toBe(200);
    }
    expectRefused(await post('/api/auth/refresh', refresh, address), 'RATE_LIMITED');

    const invite = (account: Account) =>
      post('/api/v1/invitations', { email: newEmail() }, address, account.token);
    for (let attempt = 0; attempt < 3; attempt++) expect((await invite(admin)).status).toBe(201);
    expectRefused(await invite(admin), 'RATE_LIMITED');
    expect((await invite(other)).status).toBe(201);

    const guess = () => {
      const body = { current_password: newPassword(), new_password: newPassword() };
      return post('/api/auth/password', body, address, other.token);
    };
    for (let attempt = 0; attempt < 3; attempt++) expect((await guess()).status).toBe(401);
    expectRefused(await guess(), 'TOO_MANY_ATTEMPTS');
  });

  it('keeps one organization, and one key, from taking all of a process', async () => {
    const admin = await newAdmin();
    const other = await newAdmin();
    const made = await post(
      '/api/v1/api-keys',
      { name: 'x', role: 'viewer' },
      newAddress(),
      admin.token,
    );
    const { key } = (made.body as { data: { key: string } }).data;
    const byKey = await Promise.all(
      Array.from({ length: 8 }, () => server.api.get('/api/v1/users', key)),
    );
    expect(countStatuses(byKey)).toEqual({ 200: 5, 429: 3 });

    const responses = await Promise.all(
      Array.from({ length: 50 }, () => server.api.get('/api/v1/users/me', admin.token)),
    );
    const counts = countStatuses(responses);
    expect(counts[429]).toBeGreaterThanOrEqual(10);
    expectRefused(responses.find(({ status }) => status === 429) as Response, 'RATE_LIMITED');
    const calm = await server.api.get('/api/v1/users/me', other.token);
    expect(calm.status).toBe(200);
    expect(calm.headers['ratelimit-policy']).toBe('"requests";q=40;w=60');
    expect((await server.api.get('/health')).status).toBe(200);

    // Who has nothing left costs nothing until something has come back, not even his authentication.
    const me = () => server.api.get('/api/v1/users/me', admin.token);
    while ((await me()).status !== 429);
    const before = await scrape(server.url);
    const again = await me();
    expectRefused(again, 'RATE_LIMITED');
    expect(again.headers.ratelimit).toMatch(/^"requests";r=0;t=\d+$/);
    const sent = changes(before, await scrape(server.url), 'cassandra_statement_duration');
    expect(Object.keys(sent).filter((series) => series.includes('sessions.find'))).toEqual([]);
  });
});
