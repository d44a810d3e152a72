import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { Role } from '../common/permissions';
import type { Invitation, InvitationStatus } from './invitation';

interface InvitationRow {
  organization_id: string;
  id: { toString(): string } | null;
  email: string;
  role: Role;
  status: InvitationStatus;
  secret_hash: Buffer;
  invited_by: { toString(): string };
  accepted_by: { toString(): string } | null;
  claimed_at: Date | null;
  operation_id: { toString(): string };
  created_at: Date;
  expires_at: Date;
  changes: number | null;
}

const COLUMNS = `organization_id, id, email, role, status, secret_hash, invited_by, accepted_by,
  claimed_at, operation_id, created_at, expires_at, changes`;

const find = defineQuery<InvitationRow>(
  'invitations.find',
  `SELECT ${COLUMNS} FROM invitations WHERE organization_id = :organization_id AND id = :id`,
);
const list = defineQuery<InvitationRow>(
  'invitations.list',
  `SELECT ${COLUMNS} FROM invitations WHERE organization_id = :organization_id LIMIT :size`,
);
const insert = defineQuery(
  'invitations.insert',
  `INSERT INTO invitations (organization_id, id, email, role, status, secret_hash, invited_by,
     operation_id, created_at, expires_at)
   VALUES (:organization_id, :id, :email, :role, :status, :secret_hash, :invited_by,
     :operation_id, :created_at, :expires_at)
   IF NOT EXISTS USING TTL :ttl`,
);
const countChange = defineQuery(
  'invitations.countChange',
  `UPDATE invitations SET changes = :changes WHERE organization_id = :organization_id
   IF changes = :expected_changes`,
);
const setStatus = defineQuery(
  'invitations.setStatus',
  `UPDATE invitations USING TTL :ttl SET status = :status, accepted_by = :accepted_by,
     claimed_at = :claimed_at, operation_id = :operation_id
   WHERE organization_id = :organization_id AND id = :id
   IF status = :expected_status AND operation_id = :expected_operation_id`,
);

/** An invitation with the mark of its last write, which the next one names. */
export interface StoredInvitation extends Invitation {
  operationId: string;
}

@Injectable()
export class InvitationsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(
    organizationId: string,
    id: string,
    serial = false,
  ): Promise<StoredInvitation | undefined> {
    const params = { organization_id: organizationId, id };
    const row = await this.cassandra.first(find, params, { serial });
    return row && toInvitation(row);
  }

  /** At most `size` invitations, and the number of changes that a new one has to name. */
  async list(
    organizationId: string,
    size: number,
  ): Promise<{ invitations: StoredInvitation[]; changes: number | null }> {
    const rows = await this.cassandra.page(list, { organization_id: organizationId }, size);
    const invitations = rows.map(toInvitation).filter((one) => one !== undefined);
    return { invitations, changes: rows[0]?.changes ?? null };
  }

  /** False: another invitation was created since the list was read. */
  async insert(invitation: Invitation, changes: number | null): Promise<boolean> {
    const key = { organization_id: invitation.organizationId };
    const row = {
      ...key,
      id: invitation.id,
      email: invitation.email,
      role: invitation.role,
      status: invitation.status,
      secret_hash: invitation.secretHash,
      invited_by: invitation.invitedBy,
      operation_id: randomId(),
      created_at: invitation.createdAt,
      expires_at: invitation.expiresAt,
      ttl: secondsLeft(invitation),
    };
    const count = { ...key, changes: (changes ?? 0) + 1, expected_changes: changes };
    const result = await this.cassandra.lwt(
      [
        { query: insert, params: row },
        { query: countChange, params: count },
      ],
      async () => (await this.find(invitation.organizationId, invitation.id, true)) !== undefined,
    );
    return result.applied;
  }

  /** Moves an invitation on, if nobody else has. False: somebody has. */
  async setStatus(
    current: StoredInvitation,
    status: InvitationStatus,
    acceptedBy: string | null,
  ): Promise<boolean> {
    const operationId = randomId();
    const params = {
      organization_id: current.organizationId,
      id: current.id,
      status,
      accepted_by: acceptedBy,
      claimed_at: status === 'accepting' ? new Date() : null,
      operation_id: operationId,
      expected_status: current.status,
      expected_operation_id: current.operationId,
      ttl: secondsLeft(current),
    };
    const isMine = async () => {
      const found = await this.find(current.organizationId, current.id, true);
      return found?.operationId === operationId;
    };
    return (await this.cassandra.lwt([{ query: setStatus, params }], isMine)).applied;
  }
}

function secondsLeft({ expiresAt }: Invitation): number {
  return Math.max(1, Math.ceil((expiresAt.getTime() - Date.now()) / 1000));
}

/** undefined for the row that stands for the static column of a partition without invitations. */
function toInvitation(row: InvitationRow): StoredInvitation | undefined {
  if (row.id === null) return undefined;
  return {
    organizationId: row.organization_id,
    id: row.id.toString(),
    email: row.email,
    role: row.role,
    status: row.status,
    secretHash: row.secret_hash,
    invitedBy: row.invited_by.toString(),
    acceptedBy: row.accepted_by?.toString() ?? null,
    claimedAt: row.claimed_at,
    operationId: row.operation_id.toString(),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
