import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Response } from 'express';
import { API_KEY_PREFIX } from '../api-keys/api-key';
import { ApiKeysService } from '../api-keys/api-keys.service';
import { AuditService } from '../audit/audit.service';
import { bearerOf } from '../common/credentials';
import { AppError } from '../common/errors';
import { type Permission, scopeOf } from '../common/permissions';
import {
  type Access,
  ACCESS_KEY,
  type Principal,
  type RequestWithPrincipal,
} from '../common/principal';
import { currentRequest } from '../common/request-context';
import { Admission } from '../limits/admission.service';
import { GeneralLimit } from '../limits/general-limit.service';
import { AccessTokens } from './access-tokens';
import { SessionsService } from './sessions.service';

/** Stands before every route. What a route does not open stays closed. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: AccessTokens,
    private readonly sessions: SessionsService,
    private readonly apiKeys: ApiKeysService,
    private readonly limit: GeneralLimit,
    private readonly admission: Admission,
    private readonly audit: AuditService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS_KEY, context.getHandler());
    if (access === undefined) throw new AppError('FORBIDDEN');
    const request = context.switchToHttp().getRequest<RequestWithPrincipal>();
    const anonymous =
      access === 'public' || (access === 'optional' && request.headers.authorization === undefined);
    try {
      if (!anonymous) await this.authenticate(request);
    } finally {
      // Also those who are turned away: they cost as much as the others.
      this.limit.count(request, context.switchToHttp().getResponse<Response>());
    }
    if (!anonymous && access !== 'optional') this.checkPermission(request, access);
    return true;
  }

  private async authenticate(request: RequestWithPrincipal): Promise<void> {
    try {
      request.user = await this.principalOf(request);
    } finally {
      this.admission.learn(request, request.user?.organizationId);
    }
    if (!request.user) throw new AppError('UNAUTHENTICATED');
    const { organizationId, userId } = request.user;
    const context = currentRequest();
    if (context) context.caller = { organization_id: organizationId, user_id: userId };
  }

  /** The token or key says who, the rows say what he still may. */
  private async principalOf(request: RequestWithPrincipal): Promise<Principal | undefined> {
    const bearer = bearerOf(request);
    if (bearer === undefined) return undefined;
    if (bearer.startsWith(API_KEY_PREFIX)) return this.apiKeys.authenticate(bearer);
    const claims = this.tokens.verify(bearer);
    const { org: organizationId, sub: userId, sid: sessionId } = claims;
    const user = await this.sessions.findUser({ organizationId, userId, id: sessionId });
    return user && { userId, organizationId, role: user.role, sessionId };
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
}
