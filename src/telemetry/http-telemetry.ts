import type { Request, RequestHandler, Response } from 'express';
import type { ShedReason } from '../common/errors';
import { currentRequest, logFields } from '../common/request-context';
import type { Tracing } from './tracing';
import { requestDuration, requestsInFlight, requestsShed } from './metrics';

/** Any other word in the place of a method is not a label of its own. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The template of the route that has answered, never the path: ids would be labels without end. */
function routeOf(request: Request): string {
  const path = (request.route as { path?: unknown } | undefined)?.path;
  // A wildcard is middleware that stands before the routes.
  return typeof path === 'string' && !path.includes('*') ? path : 'unmatched';
}

function statusOf(response: Response): string {
  return response.writableFinished
    ? `${String(Math.trunc(response.statusCode / 100))}xx`
    : 'aborted';
}

function shedReason(response: Response): ShedReason | undefined {
  if (response.statusCode !== 429 && response.statusCode !== 503) return undefined;
  return (response.locals.shedReason as ShedReason | undefined) ?? 'other';
}

/**
 * Counts and times every request by its route. One that takes `slowMs` or longer gets a line in the
 * log, with the statements it has sent. Belongs behind the request context.
 */
export function httpTelemetry(slowMs: number, tracing: Tracing | null): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    const context = currentRequest();
    const statements = context?.statements;
    const trace = tracing?.startRequest(request);
    if (context) context.trace = trace;
    requestsInFlight.inc();
    // Comes after "finish", and also where the caller has gone before.
    response.once('close', () => {
      requestsInFlight.dec();
      const method = METHODS.has(request.method) ? request.method : 'OTHER';
      const route = routeOf(request);
      const milliseconds = performance.now() - startedAt;
      requestDuration.observe({ method, route, status: statusOf(response) }, milliseconds / 1000);
      trace?.end(method, route, response.statusCode);
      const reason = shedReason(response);
      if (reason) requestsShed.inc({ status: String(response.statusCode), reason });
      if (milliseconds < slowMs) return;
      request.log.warn(
        {
          ...logFields(context),
          method,
          route,
          status: response.statusCode,
          duration_ms: Math.round(milliseconds),
          statement_count: statements?.count,
          statements: statements?.list(),
        },
        'slow request',
      );
    });
    next();
  };
}
