import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { v7 as timeOrderedId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import { scopeOf } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { addressGroup } from '../limits/address';
import { LimitsService } from '../limits/limits.service';
import { InvitationsService } from '../organizations/invitations.service';
import { OrganizationsService } from '../organizations/organizations.service';
import type { NewUser, User } from '../users/user';
import { UsersService } from '../users/users.service';
import type { ChangePasswordDto, LoginDto, RegisterDto } from './auth.dto';
import { type LoginAttempt, LoginGuard } from './login-guard.service';
import { PasswordService } from './password.service';
import { SessionsService } from './sessions.service';
import type { Device, SignIn } from './session';

@Injectable()
export class AuthService {
  private readonly registrationOpen: boolean;

  constructor(
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
    private readonly invitations: InvitationsService,
    private readonly passwords: PasswordService,
    private readonly sessions: SessionsService,
    private readonly guard: LoginGuard,
    private readonly limits: LimitsService,
    private readonly audit: AuditService,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.registrationOpen = config.get('auth', { infer: true }).registrationOpen;
  }

  /**
   * Without a caller: creates an organization nobody has seen yet, with the new user as its admin
   * whatever role he asks for. With an admin of the organization: adds a user to it. With an
   * invitation: the user joins with its email and role.
   */
  async register(
    caller: Principal | undefined,
    input: RegisterDto,
    device: Device,
  ): Promise<SignIn> {
    const { organization_id: organizationId, invitation_token: invitation } = input;
    if (invitation === undefined) this.checkMayRegister(caller, organizationId);
    // Admins have their organization's limit.
    if (!caller) await this.limits.attempt('register', [addressGroup(device.ip)]);
    // Before anything is looked up: a known organization must not answer faster than an unknown.
    const user: NewUser = {
      id:
        caller && invitation === undefined
          ? await this.users.idForNew(caller.organizationId)
          : timeOrderedId(),
      email: input.email,
      passwordHash: await this.passwords.hash(input.password),
      firstName: input.first_name,
      lastName: input.last_name,
      role: input.role ?? 'member',
    };
    if (invitation === undefined && caller) {
      const { organizationId: own } = caller;
      const details = { role: user.role };
      const event = { organizationId: own, actor: caller, targetId: user.id, details };
      const added = await this.audit.around({ ...event, action: 'user.created' }, () =>
        this.users.create(own, user),
      );
      return { user: added };
    }
    const created =
      invitation === undefined
        ? await this.organizations.create(organizationId, user)
        : await this.invitations.accept(organizationId, invitation, user);
    return { user: created, tokens: await this.sessions.start(created, device) };
  }

  /**
   * Every way to fail answers alike and takes alike.
   * @throws AppError INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS; FORBIDDEN while the organization is
   * suspended, which only who has the password is told
   */
  async login(input: LoginDto, device: Device): Promise<SignIn> {
    const attempt = await this.begin(input, device);
    const found = await this.users.findCredentials(input.organization_id, input.email);
    const matches = await this.passwords.verify(input.password, found?.passwordHash);
    if (!found || !matches || found.user.status !== 'active') {
      if (found) this.noteLogin('login.failed', found.user);
      throw new AppError('INVALID_CREDENTIALS');
    }
    await this.guard.succeed(attempt);
    const { user, passwordHash } = found;
    await this.organizations.confirm(user);
    if (!(await this.organizations.isOpen(user.organizationId))) {
      throw new AppError('FORBIDDEN', { message: 'The organization is closed.' });
    }
    if (this.passwords.isOutdated(passwordHash)) {
      await this.users.upgradePasswordHash(user, await this.passwords.hash(input.password));
      this.logger.info('password hash upgraded');
    }
    return { user, tokens: await this.sessions.start(user, device) };
  }

  /**
   * Changes the caller's password. His other sessions end with the same write; his own goes on.
   * @throws AppError INVALID_CREDENTIALS when the current password is wrong
   */
  async changePassword(caller: Principal, input: ChangePasswordDto): Promise<void> {
    const { organizationId, userId, sessionId } = caller;
    const attempt = await this.limits.attempt('password', [userId], 'TOO_MANY_ATTEMPTS');
    const found = await this.users.findCredentialsById(organizationId, userId);
    const matches = await this.passwords.verify(input.current_password, found?.passwordHash);
    if (!found || !matches) {
      throw new AppError('INVALID_CREDENTIALS', { message: 'The current password is wrong.' });
    }
    await this.limits.clear(attempt);
    const hash = await this.passwords.hash(input.new_password);
    const user = await this.audit.around(
      { organizationId, action: 'password.changed', actor: caller, targetId: userId },
      () => this.users.setPassword(found.user, hash),
    );
    if (sessionId !== undefined) {
      await this.sessions.keep({ organizationId, userId, id: sessionId }, user);
    }
  }

  /** Counts the sign-in; the owner of an account that is locked for it finds that in the book. */
  private async begin(input: LoginDto, device: Device): Promise<LoginAttempt> {
    const { organization_id: organizationId, email } = input;
    try {
      return await this.guard.begin(organizationId, email, device);
    } catch (error) {
      // In the background: whether there is such an account must not show in the time.
      this.users.findCredentials(organizationId, email).then(
        (found) => {
          if (found) this.noteLogin('login.locked', found.user);
        },
        (fault: unknown) => {
          this.logger.error({ err: fault }, 'audit entry lost');
        },
      );
      throw error;
    }
  }

  private noteLogin(action: 'login.failed' | 'login.locked', user: User): void {
    this.audit.note({ organizationId: user.organizationId, action, targetId: user.id });
  }

  private checkMayRegister(caller: Principal | undefined, organizationId: string): void {
    if (!caller) {
      if (!this.registrationOpen) throw new AppError('REGISTRATION_CLOSED');
      return;
    }
    if (caller.organizationId !== organizationId) throw new AppError('FORBIDDEN');
    if (scopeOf(caller, 'users:create') === 'none') {
      throw new AppError('FORBIDDEN', { details: { permission: 'users:create' } });
    }
  }
}
