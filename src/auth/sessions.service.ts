import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { v7 as timeOrderedId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import { hashSecret, newSecret } from '../common/opaque-token';
import type { Principal } from '../common/principal';
import { type AppConfig, deriveKeys, type Keys } from '../config/app-config';
import { LimitsService } from '../limits/limits.service';
import { OrganizationsService } from '../organizations/organizations.service';
import type { User } from '../users/user';
import { UsersService } from '../users/users.service';
import { AccessTokens } from './access-tokens';
import type { Device, Session, SessionKey, SignIn, TokenPair } from './session';
import { SessionsRepository } from './sessions.repository';
import { decodeRefreshToken, encodeRefreshToken, nextRefreshSecret } from './tokens';

/** More than anybody has devices; older ones are still good, they are only not listed. */
const LIST_LIMIT = 100;

/** Signed-in devices: their start, the trade of their tokens, their end. */
@Injectable()
export class SessionsService {
  private readonly lifetimeMs: number;
  private readonly graceMs: number;
  /** One for each signing key; the first one makes tokens, all of them open them. */
  private readonly keys: Keys;

  constructor(
    private readonly sessions: SessionsRepository,
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
    private readonly accessTokens: AccessTokens,
    private readonly limits: LimitsService,
    private readonly audit: AuditService,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const auth = config.get('auth', { infer: true });
    this.lifetimeMs = auth.refreshTokenSeconds * 1000;
    this.graceMs = auth.refreshGraceMs;
    this.keys = deriveKeys(auth, 'refresh token');
  }

  async start(user: User, device: Device): Promise<TokenPair> {
    const secret = newSecret();
    const now = new Date();
    const session: Session = {
      organizationId: user.organizationId,
      userId: user.id,
      id: timeOrderedId(),
      epoch: user.sessionEpoch,
      refreshHash: hashSecret(secret),
      previousHash: null,
      device,
      createdAt: now,
      refreshedAt: now,
      expiresAt: new Date(now.getTime() + this.lifetimeMs),
    };
    const { organizationId, userId, id } = session;
    await this.audit.around(
      { organizationId, action: 'session.started', actor: { userId }, targetId: id },
      () => this.sessions.insert(session),
    );
    return this.tokens(session, secret);
  }

  /**
   * Trades a refresh token for the next pair. It is good once; for a few seconds more it gets the
   * same answer, so that a lost answer or a second tab does not sign anybody out. Later its use
   * means that two parties hold it: then the session ends for both.
   * @throws AppError UNAUTHENTICATED
   */
  async refresh(token: string, device: Device): Promise<SignIn> {
    const given = decodeRefreshToken(this.keys, token);
    if (!given) throw new AppError('UNAUTHENTICATED');
    const { organizationId, userId, sessionId: id, secret } = given;
    const key = { organizationId, userId, id };
    await this.limits.attempt('refresh', [id]);
    const live = await this.findLive(key);
    if (!live) throw new AppError('UNAUTHENTICATED');

    const { user, session } = live;
    const hash = hashSecret(secret);
    const next = nextRefreshSecret(this.keys[0], secret);
    if (timingSafeEqual(session.refreshHash, hash)) {
      const rotated = {
        ...session,
        refreshHash: hashSecret(next),
        previousHash: hash,
        device,
        refreshedAt: new Date(),
      };
      if (await this.sessions.update(session, rotated)) {
        return { user, tokens: await this.tokens(key, next) };
      }
    }
    // Traded already, by this very token or an earlier one.
    const current = await this.sessions.find(key);
    if (current && this.isRepeat(current, hash, next)) {
      return { user, tokens: await this.tokens(key, next) };
    }
    await this.audit.around({ organizationId, action: 'session.reused', targetId: id }, () =>
      this.sessions.remove(key),
    );
    this.logger.warn({ organization_id: organizationId, user_id: userId }, 'refresh token reused');
    throw new AppError('UNAUTHENTICATED');
  }

  /** The caller's sessions, newest first. */
  async list(caller: Principal): Promise<Session[]> {
    const { organizationId, userId } = caller;
    const user = await this.users.findById(organizationId, userId);
    const sessions = await this.sessions.list(organizationId, userId, LIST_LIMIT);
    return sessions.filter(({ epoch }) => epoch === user?.sessionEpoch);
  }

  /** Ends a session of the caller: both its tokens are worthless from the next request on. */
  async end({ organizationId, userId }: Principal, id: string): Promise<void> {
    const key = { organizationId, userId, id };
    if (!(await this.sessions.find(key))) throw new AppError('NOT_FOUND');
    await this.audit.around(
      { organizationId, action: 'session.ended', actor: { userId }, targetId: id },
      () => this.sessions.remove(key),
    );
  }

  /** Takes one session along into the new epoch that has just ended all of them. */
  async keep(key: SessionKey, user: User): Promise<void> {
    const session = await this.sessions.find(key);
    if (session) await this.sessions.update(session, { ...session, epoch: user.sessionEpoch });
  }

  /** The user of a session, by what was so a second ago; undefined when either of them is over. */
  async findUser(key: SessionKey): Promise<User | undefined> {
    return ((await this.findLive(key, true)) ?? (await this.findLive(key)))?.user;
  }

  /** A session and its user; undefined when either of them is over. */
  private async findLive(
    key: SessionKey,
    recently = false,
  ): Promise<{ user: User; session: Session } | undefined> {
    const [user, session, open] = await Promise.all([
      this.users.findById(key.organizationId, key.userId, recently),
      recently ? this.sessions.findRecent(key) : this.sessions.find(key),
      this.organizations.isOpen(key.organizationId, recently),
    ]);
    if (!open) return undefined;
    if (user?.status !== 'active' || session?.epoch !== user.sessionEpoch) return undefined;
    return { user, session };
  }

  private isRepeat(session: Session, hash: Buffer, next: Buffer): boolean {
    return (
      session.previousHash !== null &&
      timingSafeEqual(session.previousHash, hash) &&
      timingSafeEqual(session.refreshHash, hashSecret(next)) &&
      Date.now() - session.refreshedAt.getTime() <= this.graceMs
    );
  }

  private async tokens(key: SessionKey, secret: Buffer): Promise<TokenPair> {
    const { organizationId, userId, id: sessionId } = key;
    const token = { organizationId, userId, sessionId, secret };
    return {
      accessToken: await this.accessTokens.sign(key),
      expiresIn: this.accessTokens.seconds,
      refreshToken: encodeRefreshToken(this.keys[0], token),
    };
  }
}
