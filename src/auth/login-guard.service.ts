import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError } from '../common/errors';
import { addressGroup } from '../limits/address';
import { type Attempt, LimitsService } from '../limits/limits.service';
import { LoginAddressesRepository } from './login-addresses.repository';
import type { Device } from './session';

/** What was counted for one sign-in. */
export interface LoginAttempt {
  organizationId: string;
  account: string;
  address: string;
  here: Attempt | undefined;
  others: (Attempt | undefined)[];
}

/**
 * Counts sign-ins before their passwords are compared. First by account and address together, so
 * that a stranger who guesses locks out himself and not the owner; then by account and by address
 * alone, for those who spread their guesses. The second does not hold for an address from where
 * the owner has signed in before: nobody can lock him out of his own desk.
 */
@Injectable()
export class LoginGuard {
  constructor(
    private readonly limits: LimitsService,
    private readonly addresses: LoginAddressesRepository,
  ) {}

  /** @throws AppError TOO_MANY_ATTEMPTS, the same whether the account exists or not */
  async begin(organizationId: string, email: string, device: Device): Promise<LoginAttempt> {
    const address = addressGroup(device.ip);
    // A key of bounded length, and no addresses in clear in a table that is not the tenant's.
    const account = createHash('sha256').update(`${organizationId} ${email}`).digest('hex');
    const code = 'TOO_MANY_ATTEMPTS';
    const here = await this.limits.attempt('login', [account, address], code);
    const others: LoginAttempt['others'] = [];
    try {
      if (!(await this.addresses.isKnown(organizationId, account, address))) {
        others.push(await this.limits.attempt('login-account', [account], code));
      }
      others.push(await this.limits.attempt('login-address', [address], code));
    } catch (error) {
      if (error instanceof AppError && error.code === code) {
        for (const attempt of [here, ...others]) await this.limits.forgive(attempt);
      }
      throw error;
    }
    return { organizationId, account, address, here, others };
  }

  /** The password was right: nothing of this counts, and the address is known from now on. */
  async succeed({ organizationId, account, address, here, others }: LoginAttempt): Promise<void> {
    await this.limits.clear(here);
    for (const attempt of others) await this.limits.forgive(attempt);
    await this.addresses.remember(organizationId, account, address);
  }
}
