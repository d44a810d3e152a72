import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { Role } from '../common/permissions';
import { Recent } from '../common/recent';
import type { ApiKey } from './api-key';

interface ApiKeyRow {
  organization_id: string;
  id: { toString(): string };
  name: string;
  role: Role;
  secret_hash: Buffer;
  created_by: { toString(): string };
  created_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
}

const COLUMNS = `organization_id, id, name, role, secret_hash, created_by, created_at, expires_at,
  last_used_at`;
const KEY = 'organization_id = :organization_id AND id = :id';

const find = defineQuery<ApiKeyRow>(
  'api_keys.find',
  `SELECT ${COLUMNS} FROM api_keys WHERE ${KEY}`,
);
const list = defineQuery<ApiKeyRow>(
  'api_keys.list',
  `SELECT ${COLUMNS} FROM api_keys WHERE organization_id = :organization_id LIMIT :size`,
);
const insert = defineQuery(
  'api_keys.insert',
  `INSERT INTO api_keys (organization_id, id, name, role, secret_hash, created_by, created_at, expires_at)
   VALUES (:organization_id, :id, :name, :role, :secret_hash, :created_by, :created_at, :expires_at)
   IF NOT EXISTS`,
);
const touch = defineQuery(
  'api_keys.touch',
  `UPDATE api_keys SET last_used_at = :now WHERE ${KEY} IF last_used_at = :former AND secret_hash = :secret_hash`,
);
const remove = defineQuery('api_keys.remove', `DELETE FROM api_keys WHERE ${KEY} IF EXISTS`);

@Injectable()
export class ApiKeysRepository {
  private readonly recent = new Recent<ApiKey>();

  constructor(private readonly cassandra: CassandraService) {}

  /** As it is, or was up to a second ago. */
  findRecent(organizationId: string, id: string): Promise<ApiKey | undefined> {
    return this.recent.read(`${organizationId} ${id}`, () => this.find(organizationId, id));
  }

  async find(organizationId: string, id: string): Promise<ApiKey | undefined> {
    const row = await this.cassandra.first(find, { organization_id: organizationId, id });
    return row && toApiKey(row);
  }

  async list(organizationId: string, size: number): Promise<ApiKey[]> {
    const rows = await this.cassandra.page(list, { organization_id: organizationId }, size);
    return rows.map(toApiKey);
  }

  async insert(key: ApiKey): Promise<void> {
    const params = {
      organization_id: key.organizationId,
      id: key.id,
      name: key.name,
      role: key.role,
      secret_hash: key.secretHash,
      created_by: key.createdBy,
      created_at: key.createdAt,
      expires_at: key.expiresAt,
    };
    // The id is new: whatever stands there is this key.
    await this.cassandra.lwt([{ query: insert, params }], () => Promise.resolve(true));
  }

  /** Notes the use, unless another process has, or the key is gone. */
  async touch(key: ApiKey, now: Date): Promise<void> {
    const params = {
      organization_id: key.organizationId,
      id: key.id,
      now,
      former: key.lastUsedAt,
      secret_hash: key.secretHash,
    };
    await this.recent.write(`${key.organizationId} ${key.id}`, () =>
      this.cassandra.lwt([{ query: touch, params }], () => Promise.resolve(true)),
    );
  }

  /** False: there is no such key. */
  async remove(organizationId: string, id: string): Promise<boolean> {
    const params = { organization_id: organizationId, id };
    const isGone = () => Promise.resolve(true);
    const { applied } = await this.recent.write(`${organizationId} ${id}`, () =>
      this.cassandra.lwt([{ query: remove, params }], isGone),
    );
    return applied;
  }
}

function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    organizationId: row.organization_id,
    id: row.id.toString(),
    name: row.name,
    role: row.role,
    secretHash: row.secret_hash,
    createdBy: row.created_by.toString(),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}
