import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

interface SessionRow {
  refresh_hash: Buffer;
  operation_id: { toString(): string };
  created_at: Date;
  expires_at: Date;
}

/** The key of a session. */
export interface SessionKey {
  organizationId: string;
  userId: string;
  id: string;
}

export interface Session {
  refreshHash: Buffer;
  createdAt: Date;
  expiresAt: Date;
}

const KEY = 'organization_id = :organization_id AND user_id = :user_id AND id = :id';

const find = defineQuery<SessionRow>(
  'sessions.find',
  `SELECT refresh_hash, operation_id, created_at, expires_at FROM sessions WHERE ${KEY}`,
);
const insert = defineQuery(
  'sessions.insert',
  `INSERT INTO sessions (organization_id, user_id, id, refresh_hash, operation_id, created_at,
     refreshed_at, expires_at)
   VALUES (:organization_id, :user_id, :id, :refresh_hash, :operation_id, :created_at,
     :refreshed_at, :expires_at)
   IF NOT EXISTS USING TTL :ttl`,
);
// A TTL is per cell: all of them are written again, or the row would expire piece by piece.
const rotate = defineQuery(
  'sessions.rotate',
  `UPDATE sessions USING TTL :ttl SET refresh_hash = :refresh_hash, operation_id = :operation_id,
     created_at = :created_at, refreshed_at = :refreshed_at, expires_at = :expires_at
   WHERE ${KEY} IF refresh_hash = :former_hash`,
);
const remove = defineQuery('sessions.remove', `DELETE FROM sessions WHERE ${KEY} IF EXISTS`);

function keyParams(key: SessionKey) {
  return { organization_id: key.organizationId, user_id: key.userId, id: key.id };
}

function ttl(expiresAt: Date): number {
  return Math.max(1, Math.ceil((expiresAt.getTime() - Date.now()) / 1000));
}

@Injectable()
export class SessionsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(key: SessionKey): Promise<Session | undefined> {
    const row = await this.cassandra.first(find, keyParams(key));
    return (
      row && { refreshHash: row.refresh_hash, createdAt: row.created_at, expiresAt: row.expires_at }
    );
  }

  async insert(key: SessionKey, refreshHash: Buffer, expiresAt: Date): Promise<void> {
    const now = new Date();
    const params = {
      ...keyParams(key),
      refresh_hash: refreshHash,
      operation_id: randomId(),
      created_at: now,
      refreshed_at: now,
      expires_at: expiresAt,
      ttl: ttl(expiresAt),
    };
    // The id is new: whatever stands there is this session.
    await this.cassandra.lwt([{ query: insert, params }], () => Promise.resolve(true));
  }

  /** Replaces the refresh token. False: it was not the current one any more. */
  async rotate(key: SessionKey, session: Session, refreshHash: Buffer): Promise<boolean> {
    const operationId = randomId();
    const params = {
      ...keyParams(key),
      former_hash: session.refreshHash,
      refresh_hash: refreshHash,
      operation_id: operationId,
      created_at: session.createdAt,
      refreshed_at: new Date(),
      expires_at: session.expiresAt,
      ttl: ttl(session.expiresAt),
    };
    const isMine = async () => {
      const row = await this.cassandra.first(find, keyParams(key), { serial: true });
      return row?.operation_id.toString() === operationId;
    };
    return (await this.cassandra.lwt([{ query: rotate, params }], isMine)).applied;
  }

  async remove(key: SessionKey): Promise<void> {
    await this.cassandra.lwt([{ query: remove, params: keyParams(key) }], () =>
      Promise.resolve(true),
    );
  }
}
