import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

interface ClaimRow {
  id: { toString(): string };
  claimed_at: Date;
}

/** Who has laid hand on an email address, and since when. */
export interface EmailClaim {
  userId: string;
  claimedAt: Date;
}

const find = defineQuery<ClaimRow>(
  'users_by_email.find',
  `SELECT id, claimed_at FROM users_by_email
   WHERE organization_id = :organization_id AND email = :email`,
);
const take = defineQuery(
  'users_by_email.take',
  `INSERT INTO users_by_email (organization_id, email, id, claimed_at)
   VALUES (:organization_id, :email, :id, :claimed_at) IF NOT EXISTS`,
);
const drop = defineQuery(
  'users_by_email.drop',
  'DELETE FROM users_by_email WHERE organization_id = :organization_id AND email = :email IF id = :id',
);

@Injectable()
export class EmailClaimsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(
    organizationId: string,
    email: string,
    serial = false,
  ): Promise<EmailClaim | undefined> {
    const params = { organization_id: organizationId, email };
    const row = await this.cassandra.first(find, params, { serial });
    return row && { userId: row.id.toString(), claimedAt: row.claimed_at };
  }

  /** True when the address is claimed for this user now, by this call or an earlier one. */
  async take(organizationId: string, email: string, userId: string): Promise<boolean> {
    const params = { organization_id: organizationId, email, id: userId, claimed_at: new Date() };
    const isMine = async () => (await this.find(organizationId, email, true))?.userId === userId;
    return (await this.cassandra.lwt([{ query: take, params }], isMine)).applied;
  }

  /** Gives the address up, if the claim is still that user's. */
  async drop(organizationId: string, email: string, userId: string): Promise<void> {
    const params = { organization_id: organizationId, email, id: userId };
    const isGone = async () => (await this.find(organizationId, email, true))?.userId !== userId;
    await this.cassandra.lwt([{ query: drop, params }], isGone);
  }
}
