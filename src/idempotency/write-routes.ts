import * as nest from '@nestjs/common';
import { IdempotencyInterceptor } from './idempotency.interceptor';

/**
 * Nest's decorators of routes that write, at which an `Idempotency-Key` counts. ESLint refuses those of
 * Nest itself. Around all routes the interceptor would cost a short read 6 % of its processor time
 * (docs/performance.md), for nothing.
 */
export const Post = idempotent(nest.Post);
export const Put = idempotent(nest.Put);
export const Patch = idempotent(nest.Patch);
export const Delete = idempotent(nest.Delete);

function idempotent(route: (path?: string) => MethodDecorator) {
  return (path?: string) =>
    nest.applyDecorators(route(path), nest.UseInterceptors(IdempotencyInterceptor));
}
