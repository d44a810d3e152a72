import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { UsersRepository } from '../../src/users/users.repository';

const LEASE_SECONDS = 1;

/** A registration that stalls between its claim and its commit, and one that takes its place. */
describe('A registration that was only slow', () => {
  let server: TestApp;
  let users: UsersRepository;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp({ CLAIM_LEASE: String(LEASE_SECONDS) });
    users = server.app.get(UsersRepository, { strict: false });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** Both registrations of one email; the first is held before its commit until the second is done. */
  async function race(role: string) {
    const email = newEmail();
    const accounts = [newPassword(), newPassword()].map((password) => ({
      organization_id: admin.organizationId,
      email,
      password,
      role,
    }));
    const insert = users.insert.bind(users);
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    jest.spyOn(users, 'insert').mockImplementationOnce(async (...args) => {
      await gate;
      return insert(...args);
    });
    const slow = server.api.register(accounts[0] ?? {}, admin.token);
    await sleep(LEASE_SECONDS * 1000 + 300);
    const fast = await server.api.register(accounts[1] ?? {}, admin.token);
    release();
    return { slow: await slow, fast, accounts, email };
  }

  async function usersWith(email: string): Promise<unknown[]> {
    const list = await server.api.get('/api/v1/users', admin.token);
    return (list.body as { data: { email: string }[] }).data.filter((user) => user.email === email);
  }

  it.each(['member', 'admin'])('cannot commit any more: one %s has the email', async (role) => {
    const { slow, fast, accounts, email } = await race(role);
    expect([fast.status, slow.status]).toEqual([201, 503]);
    expect(await usersWith(email)).toHaveLength(1);
    const logins = await Promise.all(
      accounts.map(({ organization_id, password }) =>
        server.api.login({ organization_id, email, password }),
      ),
    );
    expect(logins.map(({ status }) => status)).toEqual([401, 200]);
  });

  // The control: this test can fail. Without the fence the same race gives the email out twice.
  it('would commit without the fence', async () => {
    jest.spyOn(users, 'fence').mockResolvedValue(true);
    const { slow, fast, email } = await race('member');
    expect([fast.status, slow.status]).toEqual([201, 201]);
    expect(await usersWith(email)).toHaveLength(2);
  });
});
