import { timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v7 as timeOrderedId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import {
  decodeOpaqueToken,
  encodeOpaqueToken,
  hashSecret,
  newSecret,
} from '../common/opaque-token';
import type { Role } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { LimitsService } from '../limits/limits.service';
import { MailService } from '../mail/mail.service';
import type { NewUser, User } from '../users/user';
import { UsersService } from '../users/users.service';
import type { Invitation } from './invitation';
import { OrganizationsService } from './organizations.service';
import { InvitationsRepository, type StoredInvitation } from './invitations.repository';

const LIFETIME_MS = 72 * 3_600_000;
/** More than a team invites at once; a limit on what a stolen admin account can mail. */
const PENDING_LIMIT = 100;
/** Invitations of three days, pending or not. */
const LIST_LIMIT = 1000;
const ATTEMPTS = 30;

@Injectable()
export class InvitationsService {
  private readonly leaseMs: number;
  private readonly appUrl: string;

  constructor(
    private readonly invitations: InvitationsRepository,
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
    private readonly mail: MailService,
    private readonly audit: AuditService,
    private readonly limits: LimitsService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.leaseMs = config.get('auth', { infer: true }).claimLeaseMs;
    this.appUrl = config.get('mail', { infer: true }).appUrl;
  }

  /** The invitations that have not expired. */
  async list(caller: Principal): Promise<Invitation[]> {
    return (await this.invitations.list(caller.organizationId, LIST_LIMIT)).invitations;
  }

  /**
   * Invites somebody by mail. The secret of the link is in the mail alone.
   * @throws AppError EMAIL_TAKEN, CONFLICT when there are too many pending ones
   */
  async create(caller: Principal, email: string, role: Role): Promise<Invitation> {
    const { organizationId, userId } = caller;
    if (await this.users.findCredentials(organizationId, email)) throw new AppError('EMAIL_TAKEN');
    await this.limits.attempt('invite', [organizationId]);
    const secret = newSecret();
    const now = Date.now();
    const invitation: Invitation = {
      organizationId,
      id: timeOrderedId(),
      email,
      role,
      status: 'pending',
      secretHash: hashSecret(secret),
      invitedBy: userId,
      acceptedBy: null,
      claimedAt: null,
      createdAt: new Date(now),
      expiresAt: new Date(now + LIFETIME_MS),
    };
    const details = { email, role };
    await this.audit.around(
      {
        organizationId,
        action: 'invitation.created',
        actor: caller,
        targetId: invitation.id,
        details,
      },
      () => this.insertWithinLimit(invitation),
    );
    const token = encodeOpaqueToken([invitation.id], secret);
    const link = `${this.appUrl}/accept-invitation?organization_id=${organizationId}&token=${token}`;
    await this.mail.send(organizationId, {
      to: email,
      subject: `Invitation to ${organizationId}`,
      text: `You are invited to join ${organizationId} as ${role}.\n\n${link}\n\nThe link is good once, and for three days.`,
    });
    return invitation;
  }

  /** @throws AppError NOT_FOUND for one that is unknown or not pending any more */
  async cancel(caller: Principal, id: string): Promise<void> {
    const invitation = await this.invitations.find(caller.organizationId, id);
    if (invitation?.status !== 'pending') throw new AppError('NOT_FOUND');
    const { organizationId } = caller;
    await this.audit.around(
      { organizationId, action: 'invitation.cancelled', actor: caller, targetId: id },
      async () => {
        const done = await this.invitations.setStatus(invitation, 'cancelled', null);
        if (!done) throw new AppError('CONFLICT');
      },
    );
  }

  /**
   * Creates the user whom a token invites: email and role are the invitation's. Of many who hold
   * the token one gets in. What a crash leaves half way is free again after the lease.
   * @throws AppError INVITATION_REQUIRED for a token that is not good (any more), or not for this
   * email; and what UsersService.create throws, after which the invitation is good again
   */
  async accept(organizationId: string, token: string, user: NewUser): Promise<User> {
    const invitation = await this.open(organizationId, token);
    if (invitation?.email !== user.email) throw invalid();
    if (!(await this.organizations.isOpen(organizationId))) throw invalid();
    const reserved = await this.reserve(invitation, user.id);
    let created: User;
    try {
      created = await this.audit.around(
        {
          organizationId,
          action: 'invitation.accepted',
          actor: { userId: user.id },
          targetId: invitation.id,
        },
        () => this.users.create(organizationId, { ...user, role: invitation.role }),
      );
    } catch (error) {
      const notCreated = error instanceof AppError && error.status < 500;
      if (notCreated) await this.invitations.setStatus(reserved, 'pending', null);
      throw error;
    }
    await this.invitations.setStatus(reserved, 'accepted', user.id);
    return created;
  }

  private async insertWithinLimit(invitation: Invitation): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const list = await this.invitations.list(invitation.organizationId, LIST_LIMIT);
      const pending = list.invitations.filter(({ status }) => status === 'pending');
      if (pending.length >= PENDING_LIMIT || list.invitations.length >= LIST_LIMIT) {
        throw new AppError('CONFLICT', {
          message: `There are ${String(PENDING_LIMIT)} pending invitations already; cancel some first.`,
        });
      }
      if (await this.invitations.insert(invitation, list.changes)) return;
      await sleep(Math.random() * 50 * (attempt + 1));
    }
    throw new AppError('CONFLICT');
  }

  private async open(organizationId: string, token: string): Promise<StoredInvitation | undefined> {
    const decoded = decodeOpaqueToken(token, 1);
    const [id] = decoded?.ids ?? [];
    if (!decoded || id === undefined) return undefined;
    const invitation = await this.invitations.find(organizationId, id, true);
    const good =
      invitation !== undefined &&
      timingSafeEqual(invitation.secretHash, hashSecret(decoded.secret)) &&
      invitation.expiresAt.getTime() > Date.now();
    return good ? invitation : undefined;
  }

  /** Takes a pending invitation, or one whose taker is gone (docs/adr/0003). */
  private async reserve(invitation: StoredInvitation, userId: string): Promise<StoredInvitation> {
    const { organizationId, id, status, acceptedBy, claimedAt } = invitation;
    if (status === 'accepting' && acceptedBy !== null) {
      const state = await this.users.settledState(organizationId, acceptedBy);
      const age = Date.now() - (claimedAt?.getTime() ?? 0);
      if (state === 'absent' && age < this.leaseMs) throw invalid();
      if (state === 'user' || !(await this.users.fence(organizationId, acceptedBy))) {
        await this.invitations.setStatus(invitation, 'accepted', acceptedBy);
        throw invalid();
      }
    } else if (status !== 'pending') {
      throw invalid();
    }
    if (!(await this.invitations.setStatus(invitation, 'accepting', userId))) throw invalid();
    const reserved = await this.invitations.find(organizationId, id, true);
    if (reserved?.acceptedBy !== userId) throw invalid();
    return reserved;
  }
}

function invalid(): AppError {
  return new AppError('INVITATION_REQUIRED', {
    message: 'The invitation is not valid, or not any more.',
  });
}
