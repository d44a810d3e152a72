import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { JwtService } from '@nestjs/jwt';
import { v4 as randomId, v7 as timeOrderedId } from 'uuid';
import { AppError } from '../common/errors';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { type SessionKey, SessionsRepository } from './sessions.repository';
import type { TokenPair } from './sign-in';
import {
  ACCESS_TOKEN_TYPE,
  AUDIENCE,
  decodeRefreshToken,
  encodeRefreshToken,
  hashSecret,
  ISSUER,
  newRefreshSecret,
} from './tokens';

/** Signed-in devices and their tokens. */
@Injectable()
export class SessionsService {
  private readonly settings: AppConfig['auth'];

  constructor(
    private readonly sessions: SessionsRepository,
    private readonly jwt: JwtService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.settings = config.get('auth', { infer: true });
  }

  async start(organizationId: string, userId: string): Promise<TokenPair> {
    const key = { organizationId, userId, id: timeOrderedId() };
    const secret = newRefreshSecret();
    const expiresAt = new Date(Date.now() + this.settings.refreshTokenSeconds * 1000);
    await this.sessions.insert(key, hashSecret(secret), expiresAt);
    return this.tokens(key, secret);
  }

  /**
   * Trades a refresh token for the next pair; it is good once.
   * @throws AppError UNAUTHENTICATED
   */
  async refresh(token: string): Promise<{ key: SessionKey; tokens: TokenPair }> {
    const given = decodeRefreshToken(token);
    if (!given) throw new AppError('UNAUTHENTICATED');
    const { organizationId, userId, sessionId: id } = given;
    const key = { organizationId, userId, id };
    const session = await this.sessions.find(key);
    if (!session || !timingSafeEqual(session.refreshHash, hashSecret(given.secret))) {
      throw new AppError('UNAUTHENTICATED');
    }
    const secret = newRefreshSecret();
    if (!(await this.sessions.rotate(key, session, hashSecret(secret)))) {
      throw new AppError('UNAUTHENTICATED');
    }
    return { key, tokens: await this.tokens(key, secret) };
  }

  async isLive(key: SessionKey): Promise<boolean> {
    return (await this.sessions.find(key)) !== undefined;
  }

  /** Ends the caller's session: both of its tokens are worthless from the next request on. */
  async end({ organizationId, userId, sessionId }: Principal): Promise<void> {
    await this.sessions.remove({ organizationId, userId, id: sessionId });
  }

  private async tokens(key: SessionKey, secret: Buffer): Promise<TokenPair> {
    const { accessTokenSeconds: expiresIn } = this.settings;
    const accessToken = await this.jwt.signAsync(
      { org: key.organizationId, sid: key.id },
      {
        algorithm: 'HS256',
        header: { alg: 'HS256', typ: ACCESS_TOKEN_TYPE },
        issuer: ISSUER,
        audience: AUDIENCE,
        subject: key.userId,
        jwtid: randomId(),
        expiresIn,
      },
    );
    const { organizationId, userId, id: sessionId } = key;
    const refreshToken = encodeRefreshToken({ organizationId, userId, sessionId, secret });
    return { accessToken, expiresIn, refreshToken };
  }
}
