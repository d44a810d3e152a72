import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';

/** Bounded and free of anything that could forge a line in a log. */
const ACCEPTABLE = /^[\w-]{1,64}$/;

/** Gives each request its id, the caller's own where it is well formed, and sends it back. */
export function requestId(): RequestHandler {
  return (request, response, next) => {
    request.id = requestIdOf(request);
    response.setHeader('X-Request-Id', request.id);
    next();
  };
}

export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && ACCEPTABLE.test(given) ? given : randomUUID();
}
