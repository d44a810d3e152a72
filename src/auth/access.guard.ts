import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { PinoLogger } from 'nestjs-pino';
import { AppError } from '../common/errors';
import { isAllowed } from '../common/permissions';
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

    await super.canActivate(context);
    const caller = request.user;
    if (!caller) throw new AppError('UNAUTHENTICATED');
    this.logger.assign({ organization_id: caller.organizationId, user_id: caller.userId });
    if (access !== 'optional' && !isAllowed(caller.role, access)) {
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
