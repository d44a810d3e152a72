import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

interface ResetRow {
  id: { toString(): string };
  epoch: number;
  secret_hash: Buffer;
}

export interface PasswordReset {
  organizationId: string;
  userId: string;
  id: string;
  /** The user's session epoch when he asked. */
  epoch: number;
  secretHash: Buffer;
}

const list = defineQuery<ResetRow>(
  'password_resets.list',
  `SELECT id, epoch, secret_hash FROM password_resets
   WHERE organization_id = :organization_id AND user_id = :user_id LIMIT :size`,
);
const insert = defineQuery(
  'password_resets.insert',
  `INSERT INTO password_resets (organization_id, user_id, id, epoch, secret_hash)
   VALUES (:organization_id, :user_id, :id, :epoch, :secret_hash) IF NOT EXISTS USING TTL :ttl`,
);
const consume = defineQuery(
  'password_resets.consume',
  `DELETE FROM password_resets
   WHERE organization_id = :organization_id AND user_id = :user_id AND id = :id
   IF secret_hash = :secret_hash AND epoch = :epoch`,
);

@Injectable()
export class PasswordResetsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** How many requests of a user are open, counted up to `size`. */
  async countOpen(organizationId: string, userId: string, size: number): Promise<number> {
    const params = { organization_id: organizationId, user_id: userId };
    return (await this.cassandra.page(list, params, size)).length;
  }

  async insert(reset: PasswordReset, ttlSeconds: number): Promise<void> {
    const params = { ...toParams(reset), ttl: ttlSeconds };
    // The id is new: whatever stands there is this request.
    await this.cassandra.lwt([{ query: insert, params }], () => Promise.resolve(true));
  }

  /** Uses a request up. True for one caller only, who has its secret and comes in time. */
  async consume(reset: PasswordReset): Promise<boolean> {
    // A lost answer counts as "not used": the link is spent then, and another one is a click away.
    const isMine = () => Promise.resolve(false);
    return (await this.cassandra.lwt([{ query: consume, params: toParams(reset) }], isMine))
      .applied;
  }
}

function toParams(reset: PasswordReset) {
  return {
    organization_id: reset.organizationId,
    user_id: reset.userId,
    id: reset.id,
    epoch: reset.epoch,
    secret_hash: reset.secretHash,
  };
}
