import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { JwtService } from '@nestjs/jwt';
import { v4 as randomId } from 'uuid';
import type { AppConfig } from '../config/app-config';
import type { SessionKey } from './session';
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, AUDIENCE, ISSUER } from './tokens';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What the clocks of two machines may differ, in seconds. */
const CLOCK_TOLERANCE = 1;

/** Makes access tokens, and says which key must have signed one. */
@Injectable()
export class AccessTokens {
  /** How long a token is good for. */
  readonly seconds: number;
  private readonly keys: AppConfig['auth']['keys'];
  /** By `kid`. A secret that is text would be made a key anew for every request. */
  private readonly secrets: ReadonlyMap<unknown, KeyObject>;

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
   * The secret that a token must be signed with, by the `kid` of its header. undefined for a header
   * that is not ours: another kind of token, an extension, a key we do not have.
   */
  secretFor(token: string): KeyObject | undefined {
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
export function hasOurClaims(claims: Partial<Record<keyof AccessTokenClaims, unknown>>): boolean {
  const { sub, org, sid, jti, iat, exp } = claims;
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
