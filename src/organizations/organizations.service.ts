import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AuditService } from '../audit/audit.service';
import { AppError, validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import type { NewUser, User } from '../users/user';
import { UsersService } from '../users/users.service';
import { ErasuresRepository } from './erasures.repository';
import type { Organization, OrganizationSettings } from './organization';
import { OrganizationsRepository } from './organizations.repository';

const ATTEMPTS = 4;

@Injectable()
export class OrganizationsService {
  private readonly leaseMs: number;

  constructor(
    private readonly organizations: OrganizationsRepository,
    private readonly users: UsersService,
    private readonly audit: AuditService,
    private readonly erasures: ErasuresRepository,
    config: ConfigService<AppConfig, true>,
  ) {
    this.leaseMs = config.get('auth', { infer: true }).claimLeaseMs;
  }

  async get(caller: Principal): Promise<Organization> {
    const organization = await this.organizations.find(caller.organizationId);
    if (!organization) throw new AppError('NOT_FOUND');
    return organization;
  }

  /** @throws AppError CONFLICT after too many changes at once */
  async change(caller: Principal, settings: OrganizationSettings): Promise<Organization> {
    const { organizationId } = caller;
    const changed = Object.entries(settings).filter(([, value]) => value !== undefined);
    const details = Object.fromEntries(changed.map(([field, value]) => [field, String(value)]));
    const event = { organizationId, actor: caller, targetId: organizationId, details };
    return this.audit.around({ ...event, action: 'organization.changed' }, async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const current = await this.get(caller);
        if (await this.organizations.change(current, settings)) return this.get(caller);
      }
      throw new AppError('CONFLICT');
    });
  }

  /**
   * Closes the organization for good and puts it on the list of what is to be deleted. It goes on
   * the list first: closed and forgotten would be worse than listed and open.
   */
  async requestErasure(caller: Principal, confirm: string): Promise<void> {
    const { organizationId } = caller;
    if (confirm !== organizationId) {
      const message = 'confirm must be the id of your organization';
      throw validationFailed([{ field: 'confirm', rule: 'confirmation', message }]);
    }
    await this.audit.around(
      { organizationId, action: 'organization.erasure_requested', actor: caller },
      async () => {
        await this.erasures.add(organizationId);
        const done = await this.organizations.setStatus(organizationId, 'active', 'erasing');
        if (!done) throw new AppError('CONFLICT');
      },
    );
  }

  /** Closes or opens an organization, for operators. False: it was not in the other state. */
  suspend(organizationId: string, suspended: boolean): Promise<boolean> {
    return suspended
      ? this.organizations.setStatus(organizationId, 'active', 'suspended')
      : this.organizations.setStatus(organizationId, 'suspended', 'active');
  }

  /**
   * Whether its people may work: not while it is suspended, and never again once it is erased.
   * @param recently as it was up to a second ago will do
   */
  async isOpen(organizationId: string, recently = false): Promise<boolean> {
    const organization = recently
      ? await this.organizations.findRecent(organizationId)
      : await this.organizations.find(organizationId);
    return organization?.status === 'active' || organization?.status === 'provisioning';
  }

  /** Whether its data is there to stay, also while it is suspended; for operators. */
  async isKept(organizationId: string): Promise<boolean> {
    const status = (await this.organizations.find(organizationId))?.status;
    return status === 'active' || status === 'suspended';
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
