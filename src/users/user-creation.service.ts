import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AppError, unavailable } from '../common/errors';
import type { AppConfig } from '../config/app-config';
import { EmailClaimsRepository } from './email-claims.repository';
import type { NewUser } from './user';
import { UsersRepository } from './users.repository';

const ATTEMPTS = 8;

/**
 * Creates users with unique email addresses, over rows that no transaction can span:
 * 1. claim the address (conditional insert, names the id of the user to be);
 * 2. write the user (conditional insert): the commit point, there is no third step.
 *
 * A crash after 1 leaves a claim without a user. Once it is older than the lease, whoever wants
 * the address fences the id in the claim, so that its creator, should he only have been slow, can
 * no longer commit; then removes the claim. docs/adr/0003-claim-and-fence.md has the reasoning.
 */
@Injectable()
export class UserCreationService {
  private readonly leaseMs: number;

  constructor(
    private readonly users: UsersRepository,
    private readonly claims: EmailClaimsRepository,
    config: ConfigService<AppConfig, true>,
  ) {
    this.leaseMs = config.get('auth', { infer: true }).claimLeaseMs;
  }

  /**
   * @throws AppError EMAIL_TAKEN, CONFLICT while another registration of the address is under way,
   * SERVICE_UNAVAILABLE when this one was too slow and has been fenced. Nothing is created then.
   */
  async create(organizationId: string, user: NewUser): Promise<void> {
    await this.claim(organizationId, user);
    if (!(await this.commit(organizationId, user))) {
      await this.claims.drop(organizationId, user.email, user.id);
      throw unavailable(1, { message: 'The registration took too long; try again.' });
    }
  }

  private async claim(organizationId: string, user: NewUser): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await this.claims.take(organizationId, user.email, user.id)) return;
      const claim = await this.claims.find(organizationId, user.email, true);
      if (!claim) continue;
      // By an attempt before this one, whose answer got lost.
      if (claim.userId === user.id) return;
      const state = await this.users.settledState(organizationId, claim.userId);
      if (state === 'user') throw new AppError('EMAIL_TAKEN');
      const age = Date.now() - claim.claimedAt.getTime();
      if (state === 'absent' && age < this.leaseMs) {
        const seconds = Math.ceil((this.leaseMs - age) / 1000);
        throw new AppError('CONFLICT', {
          message: 'This email address is being registered right now; try again.',
          headers: { 'Retry-After': String(seconds) },
        });
      }
      if (!(await this.users.fence(organizationId, claim.userId))) {
        throw new AppError('EMAIL_TAKEN');
      }
      await this.claims.drop(organizationId, user.email, claim.userId);
    }
    throw new AppError('CONFLICT');
  }

  /** False when the id was fenced. */
  private async commit(organizationId: string, user: NewUser): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const from = user.role === 'admin' ? await this.users.readAdminCount(organizationId) : null;
      const admins = user.role === 'admin' ? { from, to: (from ?? 0) + 1 } : undefined;
      if (await this.users.insert(organizationId, user, admins)) return true;
      const state = await this.users.settledState(organizationId, user.id);
      // A user under our id is our own, from an attempt before this one.
      if (state !== 'absent') return state === 'user';
      // Another admin came or went in between. Writers that pause alike would meet again.
      await sleep(Math.random() * 50 * (attempt + 1));
    }
    throw unavailable(1);
  }
}
