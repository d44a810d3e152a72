import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { type Account, countStatuses, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

/** Requirements B1 to B7 on stored passwords, and A9, A10 on new ones. */
describe('Passwords', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
    admin = await server.api.newAdmin();
  });
  afterAll(() => server.close());

  const registerWith = async (password: unknown) => {
    const account = { organization_id: admin.organizationId, email: newEmail(), password };
    return { account, response: await server.api.register(account, admin.token) };
  };

  it.each([
    ['73 bytes of ASCII', 'a'.repeat(73)],
    ['18 emoji and one more byte', `${'\u{1F600}'.repeat(18)}x`],
    ['36 emoji: 72 UTF-16 units, 144 bytes', '\u{1F600}'.repeat(36)],
    ['a NUL', 'password1\u0000password1'],
    ['a lone surrogate', 'password-\ud800-7f3a'],
    ['7 characters', 'abc7f3x'],
    ['4 emoji: 8 UTF-16 units', '\u{1F600}'.repeat(4)],
    ['a common one', 'password1'],
    ['a common one in capitals', 'PASSWORD123'],
  ])('A9, A10, B2, B4: refuses %s', async (_kind, password) => {
    const { response } = await registerWith(password);
    expect(response.status).toBe(400);
    expectError(response.body, 'VALIDATION_FAILED');
    expect(response.body).toMatchObject({ details: [{ field: 'password', rule: 'isPassword' }] });
    expect(response.text).not.toContain(JSON.stringify(password).slice(1, -1));
  });

  it.each([[{}], [[]], [['p']], [123], [true], [null]])(
    'B5: refuses %j, which is no text',
    async (password) => {
      const { response, account } = await registerWith(password);
      expect(response.status).toBe(400);
      const login = await server.api.login(account);
      expect(login.status).toBe(400);
    },
  );

  it.each([
    ['72 bytes of ASCII', 'a1'.repeat(36)],
    ['64 lower-case letters', 'abcdefgh'.repeat(8)],
    ['18 emoji', '\u{1F600}'.repeat(18)],
    ['spaces at its ends, which are part of it', '  correct horse  '],
  ])('takes %s', async (_kind, password) => {
    const { response, account } = await registerWith(password);
    expect(response.status).toBe(201);
    expect((await server.api.login(account)).status).toBe(200);
    expect((await server.api.login({ ...account, password: password.slice(0, -1) })).status).toBe(
      401,
    );
  });

  it('B3: compares the whole password', async () => {
    const { account } = await registerWith('b2'.repeat(36));
    for (const password of [
      `${account.password as string}b`,
      `${account.password as string}\u0000x`,
    ]) {
      const response = await server.api.login({ ...account, password });
      expect(response.status).toBe(401);
      expectError(response.body, 'INVALID_CREDENTIALS');
    }
    const short = await registerWith('correct-horse-42');
    const repeated = { ...short.account, password: 'correct-horse-42\u0000correct-horse-42' };
    expect((await server.api.login(repeated)).status).toBe(401);
  });

  it('B6: takes one spelling for what looks the same', async () => {
    const password = `caf\u00e9-${newPassword()}`;
    const { account } = await registerWith(password.normalize('NFC'));
    expect(
      (await server.api.login({ ...account, password: password.normalize('NFD') })).status,
    ).toBe(200);
  });

  it('B7: answers 503 at once when too many wait for a hash, and serves the others', async () => {
    await server.close();
    server = await startApp({ BCRYPT_COST: '12', HASH_THREADS: '1', HASH_QUEUE: '3' });
    const attempt = {
      organization_id: admin.organizationId,
      email: newEmail(),
      password: newPassword(),
    };
    const responses = await Promise.all(
      Array.from({ length: 12 }, () => server.api.login(attempt)),
    );
    const counts = countStatuses(responses);
    expect(Object.keys(counts).sort()).toEqual(['401', '503']);
    expect(counts[401]).toBeGreaterThanOrEqual(3);
    for (const response of responses.filter(({ status }) => status === 503)) {
      expectError(response.body, 'SERVICE_UNAVAILABLE');
      expect(response.headers['retry-after']).toBe('2');
    }
  });

  it('B1: raises the cost of a stored hash at the next sign-in', async () => {
    const account = {
      organization_id: admin.organizationId,
      email: admin.email,
      password: admin.password,
    };
    // Registered at cost 4, signed in twice at 10 (and by the right password alone).
    await server.close();
    server = await startApp({ BCRYPT_COST: '10' });
    const { client } = server.app.get<{ client: Client }>(CassandraService);
    const storedHash = async () => {
      const { rows } = await client.execute(
        'SELECT password_hash FROM users WHERE organization_id = ? AND id = ?',
        [admin.organizationId, admin.id],
        { prepare: true },
      );
      return rows[0]?.get('password_hash') as string;
    };
    expect((await server.api.login({ ...account, password: newPassword() })).status).toBe(401);
    expect(await storedHash()).toMatch(/^\$2b\$04\$/);
    expect((await server.api.login(account)).status).toBe(200);
    const raised = await storedHash();
    expect(raised).toMatch(/^\$2b\$10\$/);
    expect((await server.api.login(account)).status).toBe(200);
    expect(await storedHash()).toBe(raised);
  });
});
