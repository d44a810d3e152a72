import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import type { Response } from 'express';
import { Answer } from './answer';
import { Page } from './page';

/** Wraps what a controller returns into `{success: true, data}`, a page with its `meta`. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    return next.handle().pipe(
      map((result) => {
        const value = result instanceof Answer ? unpack(context, result) : result;
        if (value === undefined) return undefined;
        if (value instanceof Page) {
          return {
            success: true,
            data: value.items as unknown[],
            meta: { limit: value.limit, next_cursor: value.nextCursor },
          };
        }
        return { success: true, data: value };
      }),
    );
  }
}

function unpack(context: ExecutionContext, { data, options }: Answer<unknown>): unknown {
  const response = context.switchToHttp().getResponse<Response>();
  response.set(options.headers ?? {});
  if (options.status !== undefined) response.status(options.status);
  return data;
}
