import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { currentRequest, logFields } from '../common/request-context';

/**
 * One line a request, when it has ended. An allow-list: no headers, no query (it may carry a token),
 * no body, so there is nothing to forget to redact. Belongs behind the request context, from which the
 * logger takes whom it writes for: a logger for each request would cost more than its lines.
 */
export function requestLog(logger: Logger): RequestHandler {
  return (request, response, next) => {
    request.log = logger;
    const startedAt = performance.now();
    const context = currentRequest();
    // Comes after "finish", and also where the caller has gone before.
    response.once('close', () => {
      const line = {
        ...logFields(context),
        ...requestLine(request, response),
        ip: context?.ip,
        duration_ms: Math.round(performance.now() - startedAt),
      };
      if (response.statusCode >= 500) logger.error(line, 'request');
      else logger.info(line, 'request');
    });
    next();
  };
}

function requestLine(request: Request, response: Response): object {
  return {
    method: request.method,
    path: request.originalUrl.split('?', 1)[0]?.slice(0, 500),
    status: response.headersSent ? response.statusCode : undefined,
    aborted: response.writableFinished ? undefined : true,
    user_agent: request.headers['user-agent']?.slice(0, 200),
  };
}
