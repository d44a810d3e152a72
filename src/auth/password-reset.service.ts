import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v4 as randomId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import {
  decodeOpaqueToken,
  encodeOpaqueToken,
  hashSecret,
  newSecret,
} from '../common/opaque-token';
import type { AppConfig } from '../config/app-config';
import { addressGroup } from '../limits/address';
import { LimitsService } from '../limits/limits.service';
import { MailService } from '../mail/mail.service';
import { UsersService } from '../users/users.service';
import { PasswordService } from './password.service';
import { PasswordResetsRepository } from './password-resets.repository';
import type { Device } from './session';

/** ASVS 5.0, 6.4.3 and design: a link that lies about in a mailbox must not be good for long. */
const LIFETIME_SECONDS = 3600;
/** Open requests of one user: nobody's mailbox can be filled by strangers. */
const OPEN_LIMIT = 3;

/** A new password for somebody who has lost his, by a link in a mail. */
@Injectable()
export class PasswordResetService {
  private readonly appUrl: string;

  constructor(
    private readonly resets: PasswordResetsRepository,
    private readonly users: UsersService,
    private readonly passwords: PasswordService,
    private readonly mail: MailService,
    private readonly limits: LimitsService,
    private readonly audit: AuditService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.appUrl = config.get('mail', { infer: true }).appUrl;
  }

  /**
   * Mails a link, if there is such a user. If not, the same is done for nobody: neither the answer
   * nor its time tells which it was.
   */
  async request(organizationId: string, email: string, device: Device): Promise<void> {
    await this.limits.attempt('reset', [addressGroup(device.ip)]);
    const found = await this.users.findCredentials(organizationId, email);
    const user = found?.user.status === 'active' ? found.user : undefined;
    const userId = user?.id ?? randomId();
    if (user) {
      const action = 'password.reset_requested';
      this.audit.note({ organizationId, action, targetId: userId }, 'success');
    }
    const open = await this.resets.countOpen(organizationId, userId, OPEN_LIMIT);
    const secret = newSecret();
    const id = randomId();
    const epoch = user?.sessionEpoch ?? 0;
    const secretHash = hashSecret(secret);
    await this.resets.insert({ organizationId, userId, id, epoch, secretHash }, LIFETIME_SECONDS);
    const token = encodeOpaqueToken([userId, id], secret);
    const link = `${this.appUrl}/reset-password?organization_id=${organizationId}&token=${token}`;
    await this.mail.send(organizationId, {
      to: user && open < OPEN_LIMIT ? email : null,
      subject: 'A new password',
      text: `Somebody, hopefully you, has asked for a new password.\n\n${link}\n\nThe link is good once, and for one hour. If it was not you, nothing has changed.`,
    });
  }

  /**
   * Sets the new password and ends every session. @throws AppError INVALID_CREDENTIALS for a link
   * that is not good (any more)
   */
  async complete(
    organizationId: string,
    token: string,
    password: string,
    device: Device,
  ): Promise<void> {
    await this.limits.attempt('reset', [addressGroup(device.ip)]);
    const decoded = decodeOpaqueToken(token, 2);
    const [userId, id] = decoded?.ids ?? [];
    if (!decoded || userId === undefined || id === undefined) throw invalid();
    const user = await this.users.findById(organizationId, userId);
    if (user?.status !== 'active') throw invalid();
    // Before the link is used up: with too many sign-ins waiting it would be spent for nothing.
    const hash = await this.passwords.hash(password);
    const secretHash = hashSecret(decoded.secret);
    const epoch = user.sessionEpoch;
    if (!(await this.resets.consume({ organizationId, userId, id, epoch, secretHash }))) {
      throw invalid();
    }
    await this.audit.around(
      { organizationId, action: 'password.reset', actor: { userId }, targetId: userId },
      () => this.users.setPassword(user, hash),
    );
  }
}

function invalid(): AppError {
  return new AppError('INVALID_CREDENTIALS', {
    message: 'The link is not valid, or not any more.',
  });
}
