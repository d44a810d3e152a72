import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal';
import { OrganizationsService } from '../organizations/organizations.service';
import { UsersService } from '../users/users.service';
import { type Job, jobFailed } from './job';

/** Who calls by an API key as it is now; undefined when it is good no more. */
export type KeyCaller = (organizationId: string, keyId: string) => Promise<Principal | undefined>;

/** In whose name a job works: whoever asked for it, with what he may do now, not then. */
@Injectable()
export class JobCallers {
  private callerOfKey: KeyCaller = () => Promise.resolve(undefined);

  constructor(
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
  ) {}

  /** API keys are above jobs: they say themselves how one is looked up. */
  useKeys(callerOfKey: KeyCaller): void {
    this.callerOfKey = callerOfKey;
  }

  /** @throws AppError UNPROCESSABLE when he may do nothing any more */
  async callerOf({ organizationId, createdBy, apiKeyId }: Job): Promise<Principal> {
    if (apiKeyId !== null) {
      const caller = await this.callerOfKey(organizationId, apiKeyId);
      if (caller) return caller;
      throw jobFailed('The API key that this job was asked for by is not valid any more.');
    }
    const [user, open] = await Promise.all([
      this.users.findById(organizationId, createdBy),
      this.organizations.isOpen(organizationId),
    ]);
    if (!open) throw jobFailed('The organization is closed.');
    if (user?.status !== 'active') {
      throw jobFailed('The user who asked for this job is not active any more.');
    }
    return { organizationId, userId: user.id, role: user.role };
  }
}
