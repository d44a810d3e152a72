import { createSecretKey, hash, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { JwtService } from '@nestjs/jwt';
import { LRUCache } from 'lru-cache';
import { v4 as randomId } from 'uuid';
import { AppError } from '../common/errors';
import type { AppConfig } from '../config/app-config';
import type { SessionKey } from './session';
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, AUDIENCE, ISSUER } from './tokens';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What the clocks of two machines may differ, in seconds. */
const CLOCK_TOLERANCE = 1;
/** Tokens that are known to be good: the latest ones. */
const REMEMBERED = 10_000;

/** Makes access tokens, and says what one claims. */
@Injectable()
export class AccessTokens {
  /** How long a token is good for. */
  readonly seconds: number;
  private readonly keys: AppConfig['auth']['keys'];
  /** By `kid`. A secret that is text would be made a key anew for every request. */
  private readonly secrets: ReadonlyMap<unknown, KeyObject>;
  /** What was claimed by tokens that were verified, by their hash. Keys do not change while the process runs. */
  private readonly verified = new LRUCache<string, AccessTokenClaims>({ max: REMEMBERED });

  constructor(
    private readonly jwt: JwtService,
    config: ConfigService<AppConfig, true>,
  ) {
    const { accessTokenSeconds, keys } = config.get('auth', { infer: true });
    this.seconds = accessTokenSeconds;
    this.keys = keys;
    this.secrets = new Map(keys.map(({ kid, secret }) => [kid, createSecretKey(secret, 'utf8')]));
  }

  sign(session: SessionKey): Promise<string> {
    const [key] = this.keys;
    if (!key) throw new Error('There is no signing key');
    return this.jwt.signAsync(
      { org: session.organizationId, sid: session.id },
      {
        secret: key.secret,
        algorithm: 'HS256',
        header: { alg: 'HS256', typ: ACCESS_TOKEN_TYPE, kid: key.kid },
        issuer: ISSUER,
        audience: AUDIENCE,
        subject: session.userId,
        jwtid: randomId(),
        expiresIn: this.seconds,
      },
    );
  }

  /**
   * The claims of a token that one of our keys has signed, and whose time is not over.
   * @throws AppError UNAUTHENTICATED, TOKEN_EXPIRED
   */
  verify(token: string): AccessTokenClaims {
    const key = hash('sha256', token, 'base64');
    const known = this.verified.get(key);
    if (known && known.exp * 1000 > Date.now()) return known;
    const claims = this.claimsOf(token);
    this.verified.set(key, claims);
    return claims;
  }

  private claimsOf(token: string): AccessTokenClaims {
    const secret = this.secretFor(token);
    if (!secret) throw new AppError('UNAUTHENTICATED');
    try {
      const claims = this.jwt.verify<Partial<AccessTokenClaims>>(token, {
        // Its types do not know of key objects, which jsonwebtoken takes as they are.
        secret: secret as unknown as Buffer,
        algorithms: ['HS256'],
        issuer: ISSUER,
        audience: AUDIENCE,
      });
      if (hasOurClaims(claims)) return claims;
    } catch (error) {
      const isOver = error instanceof Error && error.name === 'TokenExpiredError';
      throw new AppError(isOver ? 'TOKEN_EXPIRED' : 'UNAUTHENTICATED', { cause: error });
    }
    throw new AppError('UNAUTHENTICATED');
  }

  /**
   * The secret that a token must be signed with, by the `kid` of its header. undefined for a header
   * that is not ours: another kind of token, an extension, a key we do not have.
   */
  private secretFor(token: string): KeyObject | undefined {
    try {
      const json = Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString();
      const { typ, crit, kid } = JSON.parse(json) as Record<string, unknown>;
      if (typ !== ACCESS_TOKEN_TYPE || crit !== undefined) return undefined;
      return this.secrets.get(kid);
    } catch {
      return undefined;
    }
  }
}

/** The library lets tokens pass that lack a claim, or have it in another type. */
function hasOurClaims(claims: Partial<AccessTokenClaims>): claims is AccessTokenClaims {
  const { sub, org, sid, jti, iat, exp }: Record<string, unknown> = { ...claims };
  return (
    typeof sub === 'string' &&
    UUID.test(sub) &&
    typeof sid === 'string' &&
    UUID.test(sid) &&
    typeof org === 'string' &&
    typeof jti === 'string' &&
    Number.isSafeInteger(iat) &&
    Number.isSafeInteger(exp) &&
    Number(iat) <= Date.now() / 1000 + CLOCK_TOLERANCE
  );
}
