import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { Response } from 'express';
import { PinoLogger } from 'nestjs-pino';
import { API_KEY_PREFIX } from '../api-keys/api-key';
import { ApiKeysService } from '../api-keys/api-keys.service';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import { type Permission, scopeOf } from '../common/permissions';
import {
  type Access,
  ACCESS_KEY,
  type Principal,
  type RequestWithPrincipal,
} from '../common/principal';
import { Admission } from '../limits/admission.service';
import { GeneralLimit } from '../limits/general-limit.service';

/** Stands before every route. What a route does not open stays closed. */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeysService,
    private readonly limit: GeneralLimit,
    private readonly admission: Admission,
    private readonly audit: AuditService,
    private readonly logger: PinoLogger,
  ) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS_KEY, context.getHandler());
    if (access === undefined) throw new AppError('FORBIDDEN');
    const request = context.switchToHttp().getRequest<RequestWithPrincipal>();
    const anonymous =
      access === 'public' || (access === 'optional' && request.headers.authorization === undefined);
    try {
      if (!anonymous) await this.authenticate(context, request);
    } finally {
      // Also those who are turned away: they cost as much as the others.
      await this.limit.count(request, context.switchToHttp().getResponse<Response>());
    }
    if (!anonymous && access !== 'optional') this.checkPermission(request, access);
    return true;
  }

  private async authenticate(context: ExecutionContext, request: RequestWithPrincipal) {
    const key = apiKeyOf(request);
    try {
      if (key === undefined) await super.canActivate(context);
      else request.user = await this.apiKeys.authenticate(key);
      if (!request.user) throw new AppError('UNAUTHENTICATED');
    } finally {
      this.admission.learn(request, request.user?.organizationId);
    }
    const { organizationId, userId } = request.user;
    this.logger.assign({ organization_id: organizationId, user_id: userId });
  }

  private checkPermission(request: RequestWithPrincipal, permission: Permission): void {
    const caller = request.user;
    if (caller && scopeOf(caller, permission) !== 'none') return;
    if (caller) {
      const { organizationId } = caller;
      const details = { permission, route: `${request.method} ${request.path.slice(0, 200)}` };
      this.audit.note({ organizationId, action: 'access.denied', actor: caller, details });
    }
    throw new AppError('FORBIDDEN', { details: { permission } });
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
