import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  NotFoundException,
  RequestTimeoutException,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Application, Request, Response } from 'express';
import { AppError, errorEnvelope, unavailable } from './errors';

interface RouteLayer {
  match(path: string): boolean;
  route?: { methods: Record<string, boolean> };
}

/** The methods that some route has for the path: none means that there is no such path. */
function allowedMethods(app: Application, path: string): string[] {
  const layers = (app as unknown as { router: { stack: RouteLayer[] } }).router.stack;
  const methods = layers
    .filter((layer) => layer.route !== undefined && layer.match(path))
    .map((layer) => Object.keys(layer.route?.methods ?? {}))
    // What takes every method there is is middleware, not a route.
    .filter((verbs) => !verbs.includes('trace'))
    .flatMap((verbs) => verbs.map((verb) => verb.toUpperCase()));
  return [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].sort();
}

/**
 * Turns whatever was thrown, in any layer behind the socket, into the error envelope. What was not
 * thrown on purpose is a fault of ours: it answers 500, tells nothing, and is logged in full.
 */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly adapter: HttpAdapterHost) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const error = this.translate(thrown, request);
    if (error.status >= 500) {
      request.log.error({ err: thrown, code: error.code }, 'request failed');
    } else {
      request.log.debug({ err: thrown, code: error.code }, 'request refused');
    }
    if (response.headersSent) {
      // The answer is under way; breaking it off tells the client that it is not whole.
      response.destroy();
      return;
    }
    response.locals.shedReason = error.shedReason;
    if (error.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    response.set(error.headers).status(error.status).json(errorEnvelope(error));
  }

  private translate(thrown: unknown, request: Request): AppError {
    if (thrown instanceof AppError) return thrown;
    if (thrown instanceof NotFoundException) return this.routeNotFound(request);
    if (thrown instanceof RequestTimeoutException) return new AppError('REQUEST_TIMEOUT');
    if (thrown instanceof HttpException) {
      const status = thrown.getStatus();
      // The framework's own refusals, e.g. a path that is not valid percent-encoding.
      if (status >= 400 && status < 500) return new AppError('MALFORMED_REQUEST');
      if (status === 503) return unavailable(5, { shedReason: 'not_ready' });
    }
    return new AppError('INTERNAL_ERROR');
  }

  /** Our own code says NOT_FOUND by AppError: Nest's exception comes from the router alone. */
  private routeNotFound(request: Request): AppError {
    const app = this.adapter.httpAdapter.getInstance<Application>();
    const allowed = allowedMethods(app, request.path);
    if (allowed.length === 0) return new AppError('NOT_FOUND');
    return new AppError('METHOD_NOT_ALLOWED', { headers: { Allow: allowed.join(', ') } });
  }
}
