import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { connect } from '../../src/cassandra/connect';
import { OrganizationDataRepository } from '../../src/organizations/organization-data.repository';
import { OrganizationsService } from '../../src/organizations/organizations.service';
import { type Account, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { testConfig } from '../support/config';
import { expectError } from '../support/envelope';
import { Importer } from '../support/imports';
import { type Mailbox, startMailbox, tokenIn } from '../support/mailbox';
import { ownKeyspace } from '../support/own-keyspace';
import { runProgram } from '../support/process';

/** A keyspace of its own: erasure is done by one process of all that share a keyspace. */
const keyspace = ownKeyspace();
const environment = {
  CASSANDRA_KEYSPACE: keyspace,
  WORKERS: 'on',
  REQUEST_TIMEOUT: '3',
  WEBHOOKS_ALLOW_PRIVATE: 'on',
};
/** What tells others of changes, and of which all that tell is kept. */
const FOLLOWERS = [
  'change_versions',
  'changes',
  'webhook_deliveries',
  'webhook_pending',
  'webhook_progress',
  'webhook_shards',
  'webhooks',
];

describe('The organization', () => {
  let server: TestApp;
  let admin: Account;
  let client: Client;
  let mailbox: Mailbox;
  beforeAll(async () => {
    const { cassandra } = testConfig(environment);
    client = await connect(cassandra, keyspace, () => undefined);
    mailbox = await startMailbox();
    server = await startApp({ ...environment, SMTP_URL: mailbox.url });
  });
  afterAll(async () => {
    await server.close();
    await mailbox.close();
    await client.shutdown();
  });
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const path = '/api/v1/organization';
  const loginBody = ({ organizationId, email, password }: Account) => ({
    organization_id: organizationId,
    email,
    password,
  });

  it('has settings, with defaults, for admins to change', async () => {
    const fresh = await server.api.get(path, admin.token);
    expect(fresh.body).toMatchObject({
      data: {
        id: admin.organizationId,
        name: null,
        time_zone: 'UTC',
        currency: 'USD',
        locale: 'en',
      },
    });
    const settings = {
      name: 'Beispiel GmbH',
      time_zone: 'Europe/Berlin',
      currency: 'EUR',
      locale: 'de-DE',
    };
    const changed = await server.api.patch(path, settings, admin.token);
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject({ data: settings });
    const cleared = await server.api.patch(path, { name: null }, admin.token);
    expect(cleared.body).toMatchObject({ data: { ...settings, name: null } });
    const manager = await server.api.newUser(admin, 'manager');
    expect((await server.api.patch(path, settings, manager.token)).status).toBe(403);
    expect((await server.api.get(path, manager.token)).body).toEqual(cleared.body);
  });

  it.each([
    { time_zone: 'Mars/Olympus' },
    { time_zone: null },
    { currency: 'eur' },
    { currency: 'XX' },
    { locale: 'de_DE' },
    { locale: 'x'.repeat(100) },
    { name: 7 },
    { name: 'x'.repeat(201) },
    { id: 'another' },
    { status: 'suspended' },
  ])('refuses %j and changes nothing', async (body) => {
    const before = await server.api.get(path, admin.token);
    const response = await server.api.patch(path, body, admin.token);
    expect(response.status).toBe(400);
    expectError(response.body, 'VALIDATION_FAILED');
    expect((await server.api.get(path, admin.token)).body).toEqual(before.body);
  });

  it('loses no change of many at once', async () => {
    const fields = [
      { name: 'x' },
      { time_zone: 'Europe/Rome' },
      { currency: 'CHF' },
      { locale: 'it' },
    ];
    const responses = await Promise.all(
      fields.map((body) => server.api.patch(path, body, admin.token)),
    );
    const done = fields.filter((_, index) => responses[index]?.status === 200);
    expect(done.length).toBeGreaterThan(0);
    expect((await server.api.get(path, admin.token)).body).toMatchObject({
      data: Object.assign({}, ...done) as object,
    });
  });

  it('lets nobody in while an operator has suspended it, and everybody afterwards', async () => {
    const made = await server.api.post(
      '/api/v1/api-keys',
      { name: 'x', role: 'viewer' },
      admin.token,
    );
    const { key } = (made.body as { data: { key: string } }).data;
    const operate = async (option: string) => {
      const program = runProgram(
        ['dist/cli/organization.js', option, admin.organizationId],
        environment,
      );
      return program.ended;
    };
    const guestEmail = newEmail();
    await server.api.post('/api/v1/invitations', { email: guestEmail }, admin.token);
    const invitation = tokenIn((await mailbox.waitFor(guestEmail)).text) ?? '';
    expect(await operate('--suspend')).toBe(0);
    expect(await operate('--suspend')).toBe(1);
    for (const token of [admin.token, key]) {
      expect((await server.api.get(path, token)).status).toBe(401);
    }
    const refresh = { refresh_token: admin.refreshToken };
    expect((await server.api.post('/api/auth/refresh', refresh)).status).toBe(401);
    const login = await server.api.login(loginBody(admin));
    expect(login.status).toBe(403);
    expectError(login.body, 'FORBIDDEN');
    const wrong = await server.api.login({ ...loginBody(admin), password: newPassword() });
    expect(wrong.status).toBe(401);

    // Neither by an invitation that was given before.
    const guest = { ...loginBody(admin), email: guestEmail, invitation_token: invitation };
    expect((await server.api.register(guest)).status).toBe(403);

    expect(await operate('--resume')).toBe(0);
    expect((await server.api.register(guest)).status).toBe(201);
    expect((await server.api.get(path, admin.token)).status).toBe(200);
    expect((await server.api.login(loginBody(admin))).status).toBe(200);
  });

  describe('erasure', () => {
    /** Every table that has a row of the organization, but for its own. */
    async function tablesWith(organizationId: string): Promise<string[]> {
      const { rows } = await client.execute(
        'SELECT table_name, column_name, kind FROM system_schema.columns WHERE keyspace_name = ?',
        [keyspace],
        { prepare: true },
      );
      const tables = (rows as unknown as { table_name: string; column_name: string }[])
        .filter(({ column_name: column }) => column === 'organization_id')
        .map(({ table_name: table }) => table)
        .filter((table) => table !== 'organizations');
      const found: string[] = [];
      for (const table of tables) {
        const all = await client.execute(`SELECT organization_id FROM ${table}`);
        const own = (all.rows as unknown as { organization_id: string }[]).filter(
          ({ organization_id: id }) => id === organizationId,
        );
        if (own.length > 0) found.push(table);
      }
      return found.sort();
    }

    async function fill(): Promise<Account> {
      const member = await server.api.newUser(admin, 'member');
      await server.api.post('/api/v1/invitations', { email: newEmail() }, admin.token);
      await server.api.post('/api/v1/api-keys', { name: 'x', role: 'viewer' }, admin.token);
      const field = { key: 'tier', label: 'Tier', kind: 'text' };
      await server.api.post('/api/v1/fields/deals', field, admin.token);
      // Nobody listens there: its events stay on their way.
      await server.api.post('/api/v1/webhooks', { url: 'http://127.0.0.1:9/' }, admin.token);
      const created = await server.api.post('/api/v1/companies', { name: 'Acme' }, admin.token);
      const company = (created.body as { data: { id: string } }).data.id;
      const contact = { last_name: 'Jones', emails: [{ value: newEmail() }], company_id: company };
      await server.api.post('/api/v1/contacts', contact, admin.token);
      const { organizationId: organization_id, email } = admin;
      await server.api.post('/api/auth/password/forgot', { organization_id, email });
      const importer = new Importer(server.url, admin);
      await importer.run({ object: 'companies' }, 'name\nA\nB\n');
      for (let found: string[] = []; FOLLOWERS.some((table) => !found.includes(table));) {
        await sleep(200);
        found = await tablesWith(admin.organizationId);
      }
      // And one that runs while everything is erased.
      await importer.begin({ object: 'companies' }, `name\n${'x\n'.repeat(20_000)}`);
      return member;
    }

    /** Its rows have ids only, and go with their window of time, which others share. */
    async function untilOutboxIsEmpty(): Promise<void> {
      for (const until = Date.now() + 100_000; Date.now() < until;) {
        if ((await tablesWith(admin.organizationId)).length === 0) return;
        await sleep(1000);
      }
      expect(await tablesWith(admin.organizationId)).toEqual([]);
    }

    async function untilErased(): Promise<void> {
      for (let attempt = 0; attempt < 300; attempt++) {
        const own = (entry: Record<string, unknown>) =>
          entry.organization_id === admin.organizationId;
        if (server.logs().some((entry) => entry.msg === 'organization erased' && own(entry)))
          return;
        await sleep(100);
      }
      throw new Error('the organization was not erased');
    }

    it('takes its id to confirm, and an admin', async () => {
      const manager = await server.api.newUser(admin, 'manager');
      const confirm = admin.organizationId;
      expect((await server.api.call('delete', path, { confirm }, manager.token)).status).toBe(403);
      for (const body of [{}, { confirm: 'another' }, { confirm: '' }, { confirm: 1 }]) {
        const response = await server.api.call('delete', path, body, admin.token);
        expect(response.status).toBe(400);
        expectError(response.body, 'VALIDATION_FAILED');
      }
      expect((await server.api.get(path, admin.token)).status).toBe(200);
    });

    it('D9: ends access at once, deletes everything, and keeps the id for ever', async () => {
      const stranger = await server.api.newAdmin();
      const member = await fill();
      const filled = await tablesWith(admin.organizationId);
      expect(filled.length).toBeGreaterThan(14);
      expect(filled).toEqual(expect.arrayContaining(['import_chunks', 'import_rows', 'jobs']));
      const response = await server.api.call(
        'delete',
        path,
        { confirm: admin.organizationId },
        admin.token,
      );
      expect(response.status).toBe(202);
      for (const { token } of [admin, member]) {
        expect((await server.api.get(path, token)).status).toBe(401);
      }
      const taken = { ...loginBody(admin), email: newEmail() };
      expect((await server.api.register(taken)).status).toBe(403);

      await untilErased();
      const left = await tablesWith(admin.organizationId);
      expect(left.filter((table) => table !== 'change_outbox')).toEqual([]);
      const again = await server.api.register(taken);
      expect(again.status).toBe(403);
      expectError(again.body, 'INVITATION_REQUIRED');
      expect((await server.api.login(loginBody(admin))).status).toBe(401);
      expect((await server.api.get(path, stranger.token)).status).toBe(200);
      const row = await client.execute(
        'SELECT status, owner_id, name FROM organizations WHERE organization_id = ?',
        [admin.organizationId],
        { prepare: true },
      );
      expect(row.first()).toMatchObject({ status: 'erased', owner_id: null, name: null });
      await untilOutboxIsEmpty();
    }, 180_000);

    it('goes on where it was cut off', async () => {
      await fill();
      const data = server.app.get(OrganizationDataRepository, { strict: false });
      // The first run deletes and then dies before it has looked whether that was all.
      const spy = jest.spyOn(data, 'whatIsLeft').mockRejectedValueOnce(new Error('cut off'));
      await server.api.call('delete', path, { confirm: admin.organizationId }, admin.token);
      await untilErased();
      expect(spy.mock.calls.length).toBeGreaterThan(1);
      const left = await tablesWith(admin.organizationId);
      expect(left.filter((table) => table !== 'change_outbox')).toEqual([]);
    });

    it('cannot be asked for twice, nor undone by an operator', async () => {
      const confirm = admin.organizationId;
      const both = await Promise.all([
        server.api.call('delete', path, { confirm }, admin.token),
        server.api.call('delete', path, { confirm }, admin.token),
      ]);
      expect(both.filter(({ status }) => status === 202)).toHaveLength(1);
      const organizations = server.app.get(OrganizationsService, { strict: false });
      expect(await organizations.suspend(confirm, false)).toBe(false);
      expect(await organizations.suspend(confirm, true)).toBe(false);
    });
  });
});
