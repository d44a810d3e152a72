import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { Recent } from '../common/recent';
import type { Organization, OrganizationSettings, OrganizationStatus } from './organization';

interface OrganizationRow {
  organization_id: string;
  status: OrganizationStatus;
  owner_id: { toString(): string } | null;
  name: string | null;
  time_zone: string | null;
  currency: string | null;
  locale: string | null;
  version: number;
  operation_id: { toString(): string } | null;
  claimed_at: Date | null;
  created_at: Date;
}

const find = defineQuery<OrganizationRow>(
  'organizations.find',
  `SELECT organization_id, status, owner_id, name, time_zone, currency, locale, version, operation_id,
     claimed_at, created_at
   FROM organizations WHERE organization_id = :organization_id`,
);
const claim = defineQuery(
  'organizations.claim',
  `INSERT INTO organizations (organization_id, status, owner_id, version, claimed_at, created_at, updated_at)
   VALUES (:organization_id, 'provisioning', :owner_id, 1, :now, :now, :now) IF NOT EXISTS`,
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
const change = defineQuery(
  'organizations.change',
  `UPDATE organizations SET name = :name, time_zone = :time_zone, currency = :currency,
     locale = :locale, version = :next_version, operation_id = :operation_id, updated_at = :now
   WHERE organization_id = :organization_id IF version = :version AND status = 'active'`,
);
const setStatus = defineQuery(
  'organizations.setStatus',
  `UPDATE organizations SET status = :status, operation_id = :operation_id, updated_at = :now
   WHERE organization_id = :organization_id IF status = :expected_status`,
);
const bury = defineQuery(
  'organizations.bury',
  `UPDATE organizations SET status = 'erased', owner_id = null, name = null, time_zone = null,
     currency = null, locale = null, operation_id = null, claimed_at = null, updated_at = :now
   WHERE organization_id = :organization_id IF status = 'erasing'`,
);

@Injectable()
export class OrganizationsRepository {
  private readonly recent = new Recent<Organization>();

  constructor(private readonly cassandra: CassandraService) {}

  /** As it is, or was up to a second ago. */
  findRecent(organizationId: string): Promise<Organization | undefined> {
    return this.recent.read(organizationId, () => this.find(organizationId));
  }

  async find(organizationId: string, serial = false): Promise<Organization | undefined> {
    const row = await this.findRow(organizationId, serial);
    return (
      row && {
        id: row.organization_id,
        status: row.status,
        ownerId: row.owner_id?.toString() ?? '',
        name: row.name,
        timeZone: row.time_zone ?? 'UTC',
        currency: row.currency ?? 'USD',
        locale: row.locale ?? 'en',
        version: row.version,
        claimedAt: row.claimed_at ?? row.created_at,
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

  /** Changes the settings if they are still as `current` says. False: they are not. */
  async change(current: Organization, settings: OrganizationSettings): Promise<boolean> {
    const operationId = randomId();
    const params = {
      organization_id: current.id,
      name: settings.name,
      time_zone: settings.timeZone,
      currency: settings.currency,
      locale: settings.locale,
      version: current.version,
      next_version: current.version + 1,
      operation_id: operationId,
      now: new Date(),
    };
    const isMine = () => this.isLastOperation(current.id, operationId);
    return (await this.cassandra.lwt([{ query: change, params }], isMine)).applied;
  }

  /** Moves an organization from one status to another. False: it was not in the first. */
  async setStatus(
    organizationId: string,
    from: OrganizationStatus,
    to: OrganizationStatus,
  ): Promise<boolean> {
    const operationId = randomId();
    const params = {
      organization_id: organizationId,
      expected_status: from,
      status: to,
      operation_id: operationId,
      now: new Date(),
    };
    const isMine = () => this.isLastOperation(organizationId, operationId);
    const { applied } = await this.recent.write(organizationId, () =>
      this.cassandra.lwt([{ query: setStatus, params }], isMine),
    );
    return applied;
  }

  /** Leaves of an erased organization nothing but its id. Doing it again changes nothing. */
  async bury(organizationId: string): Promise<void> {
    const params = { organization_id: organizationId, now: new Date() };
    await this.cassandra.lwt([{ query: bury, params }], () => Promise.resolve(true));
  }

  private async isOwner(organizationId: string, userId: string): Promise<boolean> {
    return (await this.find(organizationId, true))?.ownerId === userId;
  }

  private async isLastOperation(organizationId: string, operationId: string): Promise<boolean> {
    const row = await this.findRow(organizationId, true);
    return row?.operation_id?.toString() === operationId;
  }

  private findRow(organizationId: string, serial: boolean) {
    return this.cassandra.first(find, { organization_id: organizationId }, { serial });
  }
}
