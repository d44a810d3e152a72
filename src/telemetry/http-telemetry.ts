import type { Request, RequestHandler, Response } from 'express';
import type { ShedReason } from '../common/errors';
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

/** Counts and times every request by its route. */
export function httpTelemetry(): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    requestsInFlight.inc();
    // Comes after "finish", and also where the caller has gone before.
    response.once('close', () => {
      requestsInFlight.dec();
      const method = METHODS.has(request.method) ? request.method : 'OTHER';
      requestDuration.observe(
        { method, route: routeOf(request), status: statusOf(response) },
        (performance.now() - startedAt) / 1000,
      );
      const reason = shedReason(response);
      if (reason) requestsShed.inc({ status: String(response.statusCode), reason });
    });
    next();
  };
}
