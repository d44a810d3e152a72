import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Response } from 'express';
import { lastValueFrom, type Observable, of } from 'rxjs';
import { FILE_KEY } from '../common/endpoint';
import { Envelope, enveloped } from '../common/envelope';
import { AppError, errorEnvelope, type ErrorEnvelope } from '../common/errors';
import type { RequestWithPrincipal } from '../common/principal';
import { withOperation } from '../common/request-context';
import { type Answer, IdempotencyService } from './idempotency.service';
import { digestOf, idempotencyKeyOf, isStreamed, scopeOfKey } from './idempotent-request';

/** Headers that belong to what the handler answers; all others are made anew for each request. */
const KEPT_HEADERS = ['Location', 'ETag'];
const REPLAYED_HEADERS = { 'Idempotency-Replayed': 'true' };

/**
 * Stands around the handlers of write-routes.ts, and behind the guard: what the caller may not do (any
 * more) he does not get from here either.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly idempotency: IdempotencyService,
    private readonly reflector: Reflector,
  ) {}

  async intercept(
    context: ExecutionContext,
    next: CallHandler<unknown>,
  ): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<RequestWithPrincipal>();
    const response = context.switchToHttp().getResponse<Response>();
    const key = request.user && idempotencyKeyOf(request);
    const isFile = this.reflector.get<true | undefined>(FILE_KEY, context.getHandler());
    if (!request.user || key === undefined || isFile) return next.handle();

    const scope = scopeOfKey(request.user, request, key);
    const begun = await this.idempotency.begin(scope, digestOf(request));
    if ('answer' in begun) {
      if (!isStreamed(request)) return of(repeat(begun.answer, response));
      // Whether its body is the same only the handler can tell, when it has read it.
      const again = () => lastValueFrom(next.handle(), { defaultValue: undefined });
      const result: unknown = await withOperation({ seed: begun.seed, replay: true }, again);
      response.set(REPLAYED_HEADERS);
      return of(result);
    }

    const { attempt, replay } = begun;
    let result: unknown;
    try {
      result = await withOperation({ seed: attempt.seed, replay }, () =>
        lastValueFrom(next.handle(), { defaultValue: undefined }),
      );
    } catch (error) {
      const answer = error instanceof AppError ? answerOfError(error, response) : undefined;
      await this.idempotency.finish(scope, attempt, answer);
      throw error;
    }
    const body = enveloped(result, response);
    await this.idempotency.finish(scope, attempt, answerOf(body, response));
    return of(body);
  }
}

function keptHeaders(response: Response): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = response.getHeader(name);
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}

function answerOf(body: Envelope | undefined, response: Response): Answer {
  return {
    // Nest has set the status of the route before, and the handler perhaps another one.
    status: response.statusCode,
    headers: keptHeaders(response),
    body: body === undefined ? null : JSON.stringify(body),
  };
}

function answerOfError(error: AppError, response: Response): Answer {
  return {
    status: error.status,
    headers: { ...keptHeaders(response), ...error.headers },
    body: JSON.stringify(errorEnvelope(error)),
  };
}

/** Gives the same answer again; errors go the way of all errors. */
function repeat({ status, headers, body }: Answer, response: Response): unknown {
  const value = body === null ? undefined : (JSON.parse(body) as Envelope | ErrorEnvelope);
  if (value?.success === false) {
    const { code, message, details } = value;
    throw new AppError(code, { message, details, headers: { ...headers, ...REPLAYED_HEADERS } });
  }
  response.status(status).set({ ...headers, ...REPLAYED_HEADERS });
  return value && new Envelope(value.data, value.meta);
}
