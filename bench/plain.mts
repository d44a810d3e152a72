// The plain peer: what it needs installed, and what it needs in the database.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcrypt';
import cassandra from 'cassandra-driver';
import { databaseClient } from './database.mts';
import type { Login } from './seeded.mts';
import { PROJECT } from './server.mts';

const FOLDER = join(PROJECT, 'bench', 'peers', 'plain');
export const PLAIN_SERVER = join(FOLDER, 'server.mts');

const SCHEMA = [
  `CREATE KEYSPACE IF NOT EXISTS plain
     WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}`,
  `CREATE TABLE IF NOT EXISTS plain.users (id uuid PRIMARY KEY, organization_id text, email text,
     password_hash text, first_name text, last_name text, role text, status text,
     created_at timestamp, updated_at timestamp)`,
  'CREATE TABLE IF NOT EXISTS plain.users_by_email (email text PRIMARY KEY, id uuid)',
  // All contacts of an organization in one partition, in the order in which they are listed.
  `CREATE TABLE IF NOT EXISTS plain.contacts (organization_id text, created_at timestamp, id uuid,
     version int, data text, created_by uuid, updated_at timestamp, updated_by uuid,
     PRIMARY KEY ((organization_id), created_at, id))
     WITH CLUSTERING ORDER BY (created_at DESC, id DESC)`,
];

/** A contact as the API answers it. */
export interface ContactBody extends Record<string, unknown> {
  id: string;
  version: number;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
}

export function installPlain(): void {
  if (existsSync(join(FOLDER, 'node_modules'))) return;
  const { status } = spawnSync('npm', ['ci'], { cwd: FOLDER, stdio: 'inherit' });
  if (status !== 0) throw new Error('The dependencies of the peer cannot be installed');
}

/** The database of the peer, filled with one user and with copies of contacts. */
export class PlainData {
  private readonly client = databaseClient();
  readonly login: Login = {
    organization_id: `org_${randomUUID()}`,
    email: `${randomUUID()}@example.com`,
    password: randomUUID(),
  };

  async create(cost: number): Promise<void> {
    for (const statement of SCHEMA) await this.client.execute(statement);
    const { organization_id, email, password } = this.login;
    const id = randomUUID();
    const now = new Date();
    await this.insert('users', {
      ...{ id, organization_id, email, first_name: 'Alice', last_name: 'Smith' },
      ...{ role: 'admin', status: 'active', created_at: now, updated_at: now },
      password_hash: await bcrypt.hash(password, cost),
    });
    await this.insert('users_by_email', { email, id });
  }

  async add(contacts: readonly ContactBody[]): Promise<void> {
    const { organization_id } = this.login;
    await Promise.all(
      contacts.map(({ id, version, created_at, created_by, updated_at, updated_by, ...data }) => {
        const text = JSON.stringify({ ...data, organization_id: undefined, deleted_at: undefined });
        return this.insert('contacts', {
          ...{ organization_id, id, version, data: text, created_by, updated_by },
          ...{ created_at: new Date(created_at), updated_at: new Date(updated_at) },
        });
      }),
    );
  }

  close(): Promise<void> {
    return this.client.shutdown();
  }

  private async insert(table: string, row: Record<string, unknown>): Promise<void> {
    const columns = Object.keys(row);
    const places = columns.map(() => '?').join(', ');
    const cql = `INSERT INTO plain.${table} (${columns.join(', ')}) VALUES (${places})`;
    const consistency = cassandra.types.consistencies.localQuorum;
    await this.client.execute(cql, Object.values(row), { prepare: true, consistency });
  }
}
