import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { PinoLogger } from 'nestjs-pino';
import { API_KEY_PREFIX } from '../api-keys/api-key';
import { ApiKeysService } from '../api-keys/api-keys.service';
import { AppError } from '../common/errors';
import { scopeOf } from '../common/permissions';
import {
  type Access,
  ACCESS_KEY,
  type Principal,
  type RequestWithPrincipal,
} from '../common/principal';

/** Stands before every route. What a route does not open stays closed. */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeysService,
    private readonly logger: PinoLogger,
  ) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS_KEY, context.getHandler());
    if (access === undefined) throw new AppError('FORBIDDEN');
    if (access === 'public') return true;
    const request = context.switchToHttp().getRequest<RequestWithPrincipal>();
    if (access === 'optional' && request.headers.authorization === undefined) return true;

    const key = apiKeyOf(request);
    if (key === undefined) await super.canActivate(context);
    else request.user = await this.apiKeys.authenticate(key);
    const caller = request.user;
    if (!caller) throw new AppError('UNAUTHENTICATED');
    this.logger.assign({ organization_id: caller.organizationId, user_id: caller.userId });
    if (access !== 'optional' && scopeOf(caller, access) === 'none') {
      throw new AppError('FORBIDDEN', { details: { permission: access } });
    }
    return true;
  }

  override handleRequest<TUser = Principal>(
    error: unknown,
    user: TUser | false,
    info: unknown,
  ): TUser {
    if (error instanceof Error) throw error;
    if (user) return user;
    if (info instanceof Error && info.name === 'TokenExpiredError') {
      throw new AppError('TOKEN_EXPIRED');
    }
    throw new AppError('UNAUTHENTICATED');
  }
}

/** The API key that a request carries in the place of an access token. */
function apiKeyOf(request: RequestWithPrincipal): string | undefined {
  const match = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '');
  return match?.[1]?.startsWith(API_KEY_PREFIX) ? match[1] : undefined;
}
