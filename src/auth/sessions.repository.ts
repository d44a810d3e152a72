import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { Recent } from '../common/recent';
import type { Device, Session, SessionKey } from './session';

interface SessionRow {
  id: { toString(): string };
  epoch: number;
  refresh_hash: Buffer;
  previous_hash: Buffer | null;
  operation_id: { toString(): string };
  ip: string | null;
  user_agent: string | null;
  created_at: Date;
  refreshed_at: Date;
  expires_at: Date;
}

const KEY = 'organization_id = :organization_id AND user_id = :user_id AND id = :id';
const COLUMNS = `id, epoch, refresh_hash, previous_hash, operation_id, ip, user_agent, created_at,
  refreshed_at, expires_at`;

const find = defineQuery<SessionRow>(
  'sessions.find',
  `SELECT ${COLUMNS} FROM sessions WHERE ${KEY}`,
);
const list = defineQuery<SessionRow>(
  'sessions.list',
  `SELECT ${COLUMNS} FROM sessions
   WHERE organization_id = :organization_id AND user_id = :user_id ORDER BY id DESC LIMIT :size`,
);
const insert = defineQuery(
  'sessions.insert',
  `INSERT INTO sessions (organization_id, user_id, ${COLUMNS})
   VALUES (:organization_id, :user_id, :id, :epoch, :refresh_hash, :previous_hash, :operation_id,
     :ip, :user_agent, :created_at, :refreshed_at, :expires_at)
   IF NOT EXISTS USING TTL :ttl`,
);
// A TTL is per cell: all of them are written again, or the row would expire piece by piece.
const update = defineQuery(
  'sessions.update',
  `UPDATE sessions USING TTL :ttl SET epoch = :epoch, refresh_hash = :refresh_hash,
     previous_hash = :previous_hash, operation_id = :operation_id, ip = :ip,
     user_agent = :user_agent, created_at = :created_at, refreshed_at = :refreshed_at,
     expires_at = :expires_at
   WHERE ${KEY} IF refresh_hash = :expected_hash`,
);
const remove = defineQuery('sessions.remove', `DELETE FROM sessions WHERE ${KEY} IF EXISTS`);

@Injectable()
export class SessionsRepository {
  private readonly recent = new Recent<Session>();

  constructor(private readonly cassandra: CassandraService) {}

  /** As it is, or was up to a second ago: not for its tokens. */
  findRecent(key: SessionKey): Promise<Session | undefined> {
    return this.recent.read(toText(key), () => this.find(key));
  }

  async find(key: SessionKey): Promise<Session | undefined> {
    const row = await this.cassandra.first(find, toParams(key));
    return row && toSession(key, row);
  }

  /** The newest sessions of a user, at most `size`. */
  async list(organizationId: string, userId: string, size: number): Promise<Session[]> {
    const params = { organization_id: organizationId, user_id: userId };
    const rows = await this.cassandra.page(list, params, size);
    return rows.map((row) => toSession({ organizationId, userId, id: row.id.toString() }, row));
  }

  async insert(session: Session): Promise<void> {
    const params = { ...toParams(session), ...toColumns(session) };
    // The id is new: whatever stands there is this session.
    await this.cassandra.lwt([{ query: insert, params }], () => Promise.resolve(true));
  }

  /** Replaces the session if its refresh token is still the one of `current`. False: it is not. */
  async update(current: Session, next: Session): Promise<boolean> {
    const columns = toColumns(next);
    const params = { ...toParams(current), ...columns, expected_hash: current.refreshHash };
    const isMine = async () => {
      const row = await this.cassandra.first(find, toParams(current), { serial: true });
      return row?.operation_id.toString() === columns.operation_id;
    };
    const { applied } = await this.recent.write(toText(current), () =>
      this.cassandra.lwt([{ query: update, params }], isMine),
    );
    return applied;
  }

  /** False: there is no such session. */
  async remove(key: SessionKey): Promise<boolean> {
    const isGone = () => Promise.resolve(true);
    const { applied } = await this.recent.write(toText(key), () =>
      this.cassandra.lwt([{ query: remove, params: toParams(key) }], isGone),
    );
    return applied;
  }
}

function toText({ organizationId, userId, id }: SessionKey): string {
  return [organizationId, userId, id].join(' ');
}

function toParams(key: SessionKey) {
  return { organization_id: key.organizationId, user_id: key.userId, id: key.id };
}

function toColumns(session: Session) {
  return {
    epoch: session.epoch,
    refresh_hash: session.refreshHash,
    previous_hash: session.previousHash,
    operation_id: randomId(),
    ip: session.device.ip,
    user_agent: session.device.userAgent,
    created_at: session.createdAt,
    refreshed_at: session.refreshedAt,
    expires_at: session.expiresAt,
    ttl: Math.max(1, Math.ceil((session.expiresAt.getTime() - Date.now()) / 1000)),
  };
}

function toSession(key: SessionKey, row: SessionRow): Session {
  const device: Device = { ip: row.ip, userAgent: row.user_agent };
  return {
    ...key,
    epoch: row.epoch,
    refreshHash: row.refresh_hash,
    previousHash: row.previous_hash,
    device,
    createdAt: row.created_at,
    refreshedAt: row.refreshed_at,
    expiresAt: row.expires_at,
  };
}
