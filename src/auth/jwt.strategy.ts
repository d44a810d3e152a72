import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Principal } from '../common/principal';
import { AccessTokens, hasOurClaims } from './access-tokens';
import { SessionsService } from './sessions.service';
import { type AccessTokenClaims, AUDIENCE, ISSUER } from './tokens';

/** From a bearer token to a principal: the signature says who, the rows say what he still may. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly sessions: SessionsService,
    accessTokens: AccessTokens,
  ) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: (_request, token: string, done) => {
        // Its types do not know of key objects, which jsonwebtoken takes as they are.
        done(null, accessTokens.secretFor(token) as Buffer | undefined);
      },
      algorithms: ['HS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
    });
  }

  async validate(claims: AccessTokenClaims): Promise<Principal | false> {
    if (!hasOurClaims(claims)) return false;
    const { org: organizationId, sub: userId, sid: sessionId } = claims;
    const user = await this.sessions.findUser({ organizationId, userId, id: sessionId });
    return user ? { userId, organizationId, role: user.role, sessionId } : false;
  }
}
