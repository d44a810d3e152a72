import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { AppError } from './errors';
import type { Permission, Role } from './permissions';

/**
 * Who is calling. Made by the guard from a verified token and the caller's current rows, and the
 * first argument of every service method: the organization never comes from anywhere else.
 */
export interface Principal {
  readonly userId: string;
  readonly organizationId: string;
  readonly role: Role;
  /** The session of an access token; a caller has this or an API key. */
  readonly sessionId?: string;
  readonly apiKeyId?: string;
  /** The role of whoever made the API key: it reaches no record that he does not reach. */
  readonly makerRole?: Role;
}

export type RequestWithPrincipal = Request & { user?: Principal };

/**
 * Who may call a route: `public` is anybody, and a token is not even looked at; `optional` works
 * without a token, but one that is sent must be good; otherwise callers whose role has the
 * permission. A route that says nothing is closed.
 */
export type Access = 'public' | 'optional' | Permission;
export const ACCESS_KEY = 'access';

/** The caller. On a route whose token is optional use `CallerIfAny`. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const caller = context.switchToHttp().getRequest<RequestWithPrincipal>().user;
  if (!caller) throw new AppError('UNAUTHENTICATED');
  return caller;
});

export const CallerIfAny = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal | undefined =>
    context.switchToHttp().getRequest<RequestWithPrincipal>().user,
);
