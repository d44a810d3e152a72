import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { Page } from './page';

/** Wraps what a controller returns into `{success: true, data}`, a page with its `meta`. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    return next.handle().pipe(
      map((value) => {
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
