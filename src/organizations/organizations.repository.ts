import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

/** `provisioning`: the id is claimed, the first user is not known to be written yet. */
export type OrganizationStatus = 'provisioning' | 'active';

export interface Organization {
  id: string;
  status: OrganizationStatus;
  /** The user who claimed the id; the organization exists once he does. */
  ownerId: string;
  claimedAt: Date;
  createdAt: Date;
}

interface OrganizationRow {
  organization_id: string;
  status: OrganizationStatus;
  owner_id: { toString(): string };
  claimed_at: Date;
  created_at: Date;
}

const find = defineQuery<OrganizationRow>(
  'organizations.find',
  `SELECT organization_id, status, owner_id, claimed_at, created_at
   FROM organizations WHERE organization_id = :organization_id`,
);
const claim = defineQuery(
  'organizations.claim',
  `INSERT INTO organizations (organization_id, status, owner_id, claimed_at, created_at, updated_at)
   VALUES (:organization_id, 'provisioning', :owner_id, :now, :now, :now) IF NOT EXISTS`,
);
const reclaim = defineQuery(
  'organizations.reclaim',
  `UPDATE organizations SET owner_id = :owner_id, claimed_at = :now, created_at = :now, updated_at = :now
   WHERE organization_id = :organization_id IF status = 'provisioning' AND owner_id = :former_owner_id`,
);
const activate = defineQuery(
  'organizations.activate',
  `UPDATE organizations SET status = 'active', updated_at = :now
   WHERE organization_id = :organization_id IF status = 'provisioning' AND owner_id = :owner_id`,
);

@Injectable()
export class OrganizationsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(organizationId: string, serial = false): Promise<Organization | undefined> {
    const params = { organization_id: organizationId };
    const row = await this.cassandra.first(find, params, { serial });
    return (
      row && {
        id: row.organization_id,
        status: row.status,
        ownerId: row.owner_id.toString(),
        claimedAt: row.claimed_at,
        createdAt: row.created_at,
      }
    );
  }

  async claim(organizationId: string, ownerId: string): Promise<boolean> {
    const params = { organization_id: organizationId, owner_id: ownerId, now: new Date() };
    const write = [{ query: claim, params }];
    return (await this.cassandra.lwt(write, () => this.isOwner(organizationId, ownerId))).applied;
  }

  /** Takes an unfinished claim over from a user who has been fenced. */
  async reclaim(organizationId: string, formerOwnerId: string, ownerId: string): Promise<boolean> {
    const params = {
      organization_id: organizationId,
      former_owner_id: formerOwnerId,
      owner_id: ownerId,
      now: new Date(),
    };
    const write = [{ query: reclaim, params }];
    return (await this.cassandra.lwt(write, () => this.isOwner(organizationId, ownerId))).applied;
  }

  /** Says for good that the owner's row is written. Doing it again changes nothing. */
  async activate(organizationId: string, ownerId: string): Promise<void> {
    const params = { organization_id: organizationId, owner_id: ownerId, now: new Date() };
    await this.cassandra.lwt([{ query: activate, params }], () => Promise.resolve(true));
  }

  private async isOwner(organizationId: string, userId: string): Promise<boolean> {
    return (await this.find(organizationId, true))?.ownerId === userId;
  }
}
