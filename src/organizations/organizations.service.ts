import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import type { NewUser, User } from '../users/user';
import { UsersService } from '../users/users.service';
import { type Organization, OrganizationsRepository } from './organizations.repository';

const ATTEMPTS = 4;

@Injectable()
export class OrganizationsService {
  private readonly leaseMs: number;

  constructor(
    private readonly organizations: OrganizationsRepository,
    private readonly users: UsersService,
    private readonly audit: AuditService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.leaseMs = config.get('auth', { infer: true }).claimLeaseMs;
  }

  async get(caller: Principal): Promise<Organization> {
    const organization = await this.organizations.find(caller.organizationId);
    if (!organization) throw new AppError('NOT_FOUND');
    return organization;
  }

  /**
   * Creates the organization with its first user, who becomes its admin. The id is claimed first:
   * of many callers one wins, and the others have written nothing. The user's row is the commit
   * point; what a crash leaves before it is free again after the lease, and what it leaves after
   * it is finished here or at his login.
   * @throws AppError INVITATION_REQUIRED when the id is taken, or being taken
   */
  async create(organizationId: string, owner: NewUser): Promise<User> {
    if (!(await this.claim(organizationId, owner.id))) throw new AppError('INVITATION_REQUIRED');
    const actor = { userId: owner.id };
    const user = await this.audit.around(
      { organizationId, action: 'organization.created', actor, targetId: owner.id },
      () => this.users.create(organizationId, { ...owner, role: 'admin' }),
    );
    await this.organizations.activate(organizationId, user.id);
    return user;
  }

  /** Finishes a creation whose last step was lost. */
  async confirm(user: User): Promise<void> {
    const organization = await this.organizations.find(user.organizationId);
    if (organization?.status === 'provisioning' && organization.ownerId === user.id) {
      await this.organizations.activate(user.organizationId, user.id);
    }
  }

  private async claim(organizationId: string, ownerId: string): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await this.organizations.claim(organizationId, ownerId)) return true;
      const current = await this.organizations.find(organizationId, true);
      if (!current) continue;
      if (current.status !== 'provisioning') return false;
      const state = await this.users.settledState(organizationId, current.ownerId);
      if (state === 'user') {
        await this.organizations.activate(organizationId, current.ownerId);
        return false;
      }
      const age = Date.now() - current.claimedAt.getTime();
      if (state === 'absent' && age < this.leaseMs) return false;
      if (!(await this.users.fence(organizationId, current.ownerId))) continue;
      if (await this.organizations.reclaim(organizationId, current.ownerId, ownerId)) return true;
    }
    return false;
  }
}
