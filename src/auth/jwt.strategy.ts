import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { UsersService } from '../users/users.service';
import { SessionsService } from './sessions.service';
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, AUDIENCE, ISSUER } from './tokens';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The header as far as the library leaves it unchecked: kind of token, and no extensions. */
function hasOurHeader(token: string): boolean {
  try {
    const json = Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString();
    const header = JSON.parse(json) as { typ?: unknown; crit?: unknown };
    return header.typ === ACCESS_TOKEN_TYPE && header.crit === undefined;
  } catch {
    return false;
  }
}

/** The library lets tokens pass that lack a claim, or have it in another type. */
function hasOurClaims(claims: Partial<Record<keyof AccessTokenClaims, unknown>>): boolean {
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
    Number(iat) <= Date.now() / 1000 + 1
  );
}

/** From a bearer token to a principal: the signature says who, the rows say what he still may. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    config: ConfigService<AppConfig, true>,
  ) {
    const { jwtSecret } = config.get('auth', { infer: true });
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: (_request, token: string, done) => {
        if (hasOurHeader(token)) done(null, jwtSecret);
        else done(null, undefined);
      },
      algorithms: ['HS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
    });
  }

  async validate(claims: AccessTokenClaims): Promise<Principal | false> {
    if (!hasOurClaims(claims)) return false;
    const { org: organizationId, sub: userId, sid: sessionId } = claims;
    const [user, live] = await Promise.all([
      this.users.findById(organizationId, userId),
      this.sessions.isLive({ organizationId, userId, id: sessionId }),
    ]);
    if (user?.status !== 'active' || !live) return false;
    return { userId, organizationId, role: user.role, sessionId };
  }
}
