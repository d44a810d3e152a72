import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'supertest';
import { readMigrations } from '../../src/cassandra/migration-files';
import { type Account, Api } from '../support/api';
import { type LoadBalancer, startLoadBalancer } from '../support/load-balancer';
import { dropKeyspace, newKeyspaceName } from '../support/own-keyspace';
import { startServer } from '../support/process';

const CLIENTS = 6;
const PROBE_EVERY_MS = 400;
const CONTACTS = '/api/v1/contacts';

type Server = Awaited<ReturnType<typeof startServer>>;

/** The first half of a change of the schema: what is running does not know of it, and is not hurt. */
const EXPAND = `ALTER TABLE organizations ADD next_version_of text;
CREATE TABLE IF NOT EXISTS next_version (organization_id text PRIMARY KEY);
`;

/** The next version of the program, in a folder of its own: with one migration more. */
function nextVersion(): string {
  const folder = mkdtempSync(join(tmpdir(), 'next-version-'));
  for (const part of ['dist', 'migrations', 'package.json']) {
    cpSync(part, join(folder, part), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  const number = String(readMigrations().length + 1).padStart(4, '0');
  writeFileSync(join(folder, 'migrations', `${number}_next_version.cql`), EXPAND);
  return folder;
}

/** Clients that write and read without a pause, until they are told to stop; none tries twice. */
class Load {
  readonly created: string[] = [];
  readonly failures: string[] = [];
  requests = 0;
  private stopped = false;
  private readonly clients: Promise<void>[];

  constructor(
    private readonly api: Api,
    private readonly admin: Account,
  ) {
    this.clients = Array.from({ length: CLIENTS }, () => this.run());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.clients);
  }

  /** The contacts whose creation was acknowledged, and which are not there as they were left. */
  async missing(): Promise<string[]> {
    const found = await Promise.all(
      this.created.map(async (id) => {
        const response = await this.api.get(`${CONTACTS}/${id}`, this.admin.token);
        const { data } = response.body as { data?: { first_name: string; version: number } };
        return data?.first_name === 'Ana' && data.version === 2;
      }),
    );
    return this.created.filter((_, index) => found[index] !== true);
  }

  private async expecting(status: number, sent: Promise<Response>): Promise<string | undefined> {
    this.requests++;
    try {
      const response = await sent;
      if (response.status === status) return (response.body as { data: { id: string } }).data.id;
      this.failures.push(`${String(response.status)} ${response.text}`);
    } catch (error) {
      this.failures.push(String(error));
    }
    return undefined;
  }

  private async run(): Promise<void> {
    const { api } = this;
    const { token } = this.admin;
    while (!this.stopped) {
      const id = await this.expecting(201, api.post(CONTACTS, { last_name: 'García' }, token));
      if (id !== undefined) {
        this.created.push(id);
        const contact = `${CONTACTS}/${id}`;
        await this.expecting(200, api.patch(contact, { first_name: 'Ana' }, token));
        await this.expecting(200, api.get(contact, token));
      }
      await this.expecting(200, api.get(`${CONTACTS}?limit=5`, token));
      // A refusal is quick, and a loop of them would leave no processor to anybody else.
      await sleep(20);
    }
  }
}

describe('A rolling update under load', () => {
  let balancer: LoadBalancer;
  const servers: Server[] = [];
  beforeEach(async () => {
    balancer = await startLoadBalancer(PROBE_EVERY_MS);
  });
  afterEach(async () => {
    for (const { child } of servers.splice(0)) child.kill('SIGKILL');
    await balancer.close();
  });

  async function start(environment: Record<string, string>, folder?: string): Promise<Server> {
    const server = await startServer(environment, folder);
    servers.push(server);
    await balancer.add(server.port);
    return server;
  }

  it('from one version to the next fails no request and loses no write', async () => {
    // Of its own: with the next version's migration it is no use to other tests.
    const keyspace = newKeyspaceName();
    const environment = {
      CASSANDRA_KEYSPACE: keyspace,
      MIGRATE_ON_START: 'on',
      SHUTDOWN_DELAY: '2',
    };
    const folder = nextVersion();
    try {
      const old = await start(environment);
      const api = new Api(balancer.url);
      const admin = await api.newAdmin();
      const load = new Load(api, admin);
      await sleep(500);
      // As an orchestrator has it: the new one is ready before the old one is told to end.
      const replacement = await start(environment, folder);
      expect(replacement.output()).toContain('_next_version');
      await sleep(500);
      old.child.kill('SIGTERM');
      expect(await old.ended).toBe(0);
      balancer.remove(old.port);
      await sleep(500);
      await load.stop();

      expect(load.failures).toEqual([]);
      for (const { port } of [old, replacement]) {
        expect(balancer.given.get(port)).toBeGreaterThan(10);
      }
      expect(await load.missing()).toEqual([]);

      // The same load does notice a server that ends otherwise.
      const next = new Load(api, admin);
      await sleep(500);
      replacement.child.kill('SIGKILL');
      await replacement.ended;
      await next.stop();
      expect(next.failures.length).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true });
      await dropKeyspace(keyspace);
    }
  });
});
