import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { Maintenance } from '../../src/records/upkeep/maintenance.service';
import { type Account, Api } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { TEST_KEYSPACE, testConfig } from '../support/config';
import { freePort, runProgram } from '../support/process';
import { sweepOrganization } from '../support/records/sweep';
import { connectWriters } from '../support/records/world';

const PRELOAD = join(__dirname, '..', 'support', 'crash-preload.cjs');
const LEASE_SECONDS = 1;
const environment = { CLAIM_LEASE: String(LEASE_SECONDS) };
const PATH = '/api/v1/contacts';

interface ContactBody {
  id: string;
  version: number;
  title: string | null;
  emails: { value: string }[];
}

/** Sends one request to a server of its own that dies at the given step. */
async function crash(at: string, send: (api: Api) => Promise<unknown>): Promise<void> {
  const port = await freePort();
  const server = runProgram(['--require', PRELOAD, 'dist/main.js'], {
    ...environment,
    PORT: String(port),
    CRASH_AT: at,
  });
  await server.until(/"msg":"ready: /);
  await expect(send(new Api(`http://127.0.0.1:${String(port)}`))).rejects.toThrow(
    /socket hang up|ECONNRESET/,
  );
  expect(await server.ended).toBe('SIGKILL');
}

describe('A write whose process is killed', () => {
  let server: TestApp;
  let admin: Account;
  let startedAt: Date;
  let clients: Client[];
  beforeAll(async () => {
    server = await startApp(environment);
    clients = await connectWriters(1);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
    await server.close();
  });
  beforeEach(async () => {
    startedAt = new Date();
    admin = await server.api.newAdmin();
  });

  /** What the sweeper does once the longest request has ended. */
  async function sweep(): Promise<void> {
    await sleep(LEASE_SECONDS * 1000 + 100);
    const [client] = clients;
    if (!client) throw new Error('not connected');
    const cassandra = new CassandraService(client, TEST_KEYSPACE);
    const place = { organizationId: admin.organizationId, since: startedAt };
    const left = await sweepOrganization(client, cassandra, testConfig(environment), place);
    expect(left).toEqual([]);
  }

  async function listed(query: string): Promise<ContactBody[]> {
    const response = await server.api.get(`${PATH}?${query}`, admin.token);
    expect(response.status).toBe(200);
    return (response.body as { data: ContactBody[] }).data;
  }

  /** Every way to find a contact answers the same. */
  async function expectFound(word: string, email: string, versions: number[]): Promise<void> {
    for (const query of ['sort=name', `q=${word}`, `q=${email}`, `email=${email}`]) {
      const found = await listed(query);
      expect([query, found.map(({ version }) => version)]).toEqual([query, versions]);
    }
    const { faults } = await server.app
      .get(Maintenance, { strict: false })
      .verify(admin.organizationId);
    expect(faults).toEqual([]);
  }

  const newContact = () => {
    const word = `w${randomUUID().slice(0, 8)}`;
    const email = `${word}@example.com`;
    return { word, email, body: { last_name: word, emails: [{ value: email }] } };
  };

  it.each([
    ['before:unique_values.claim', false],
    ['after:unique_values.claim', false],
    ['before:records.commit', false],
    ['after:records.commit', true],
    ['before:list_rows.put', true],
    ['after:list_rows.put', true],
  ])('%s of a new contact: it is there, or its email is free', async (step, isThere) => {
    const { word, email, body } = newContact();
    await crash(step, (api) => api.post(PATH, body, admin.token));
    await sweep();
    await expectFound(word, email, isThere ? [1] : []);
    const again = await server.api.post(PATH, body, admin.token);
    expect(again.status).toBe(isThere ? 409 : 201);
  });

  it.each([
    ['before:unique_values.claim', false],
    ['after:unique_values.claim', false],
    ['before:records.commit', false],
    ['after:records.commit', true],
    ['before:list_rows.put', true],
    ['after:list_rows.put', true],
    ['before:unique_values.release', true],
  ])('%s of a change: the contact has one of its emails', async (step, isChanged) => {
    const { word, email, body } = newContact();
    const created = await server.api.post(PATH, body, admin.token);
    const { id } = (created.body as { data: ContactBody }).data;
    const other = newContact();
    const change = { last_name: other.word, emails: [{ value: other.email }] };
    await crash(step, (api) => api.patch(`${PATH}/${id}`, change, admin.token));
    await sweep();
    const [kept, free] = isChanged ? [other, { word, email, body }] : [{ word, email }, other];
    await expectFound(kept.word, kept.email, [isChanged ? 2 : 1]);
    for (const query of [`q=${free.word}`, `email=${free.email}`]) {
      expect(await listed(query)).toEqual([]);
    }
    const another = { last_name: 'Other', emails: [{ value: free.email }] };
    expect((await server.api.post(PATH, another, admin.token)).status).toBe(201);
  });
});
