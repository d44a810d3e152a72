import { ConfigService } from '@nestjs/config';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Server } from 'node:http';
import type { Request, RequestHandler } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { requestContext } from './common/request-context';
import { AppError } from './common/errors';
import { inOrder } from './common/in-order';
import { hasBody, jsonBody } from './common/json-body';
import { requestId } from './common/request-id';
import { answerSocketErrors } from './common/socket-errors';
import type { AppConfig } from './config/app-config';
import { Admission } from './limits/admission.service';
import { LOGGER } from './logging/logging.module';
import { requestLog } from './logging/request-log';
import { DOCS_PATH, serveDocs } from './openapi';
import { httpTelemetry } from './telemetry/http-telemetry';
import { metricsRoute } from './telemetry/metrics-server';
import { TRACING, type Tracing } from './telemetry/tracing';

/** Time for the request line and the headers to arrive, then for the whole request. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** For a file to arrive, as long as it does. */
const UPLOAD_TIMEOUT_MS = 3_600_000;
/** Longer than the 60 s of common load balancers: the side that reuses a connection must not close it last. */
const KEEP_ALIVE_MS = 65_000;

/** An API is never framed, scripted or cached; the pages of Swagger UI bring their own scripts. */
function securityHeaders(): RequestHandler {
  const api = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: { maxAge: 31_536_000 },
    xFrameOptions: { action: 'deny' },
    // For pages, or for browsers and plug-ins that are gone; a header in every answer costs something.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
  const docs = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        frameAncestors: ["'none'"],
      },
    },
  });
  return (request, response, next) => {
    if (request.path.startsWith(DOCS_PATH)) {
      docs(request, response, next);
      return;
    }
    response.setHeader('Cache-Control', 'no-store');
    api(request, response, next);
  };
}

/** The one route whose body is a file: its handler reads it, as long as it comes. */
function isUpload(request: Request): boolean {
  return (
    request.method === 'POST' &&
    /^\/api\/v1\/imports\/?$/.test(request.path) &&
    /^multipart\//i.test(request.headers['content-type'] ?? '')
  );
}

/** Node has one time in which requests must have come; a file may take longer, all else may not. */
function arrivalTimeout(server: Server): RequestHandler {
  return (request, response, next) => {
    if (!hasBody(request)) {
      next();
      return;
    }
    const give = () => {
      if (request.complete) return;
      if (response.headersSent) request.socket.destroy();
      else {
        const fault = Object.assign(new Error('too slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
        server.emit('clientError', fault, request.socket);
      }
    };
    let timer: NodeJS.Timeout | undefined;
    const start = () => {
      timer = setTimeout(give, REQUEST_TIMEOUT_MS).unref();
    };
    // What comes of a file after the answer is nobody's: it has the time of any other request.
    if (isUpload(request)) response.once('finish', start);
    else start();
    request.once('end', () => {
      clearTimeout(timer);
    });
    request.once('close', () => {
      if (request.complete || request.destroyed) clearTimeout(timer);
    });
    next();
  };
}

/** A batch is many requests in one body. */
const BATCH_LIMIT_BYTES = 2 * 1024 * 1024;

function bodies(limitBytes: number): RequestHandler {
  const single = jsonBody(limitBytes);
  const batch = jsonBody(Math.max(limitBytes, BATCH_LIMIT_BYTES));
  return (request, response, next) => {
    if (isUpload(request)) {
      next();
      return;
    }
    const handler = request.path.endsWith('/batch') ? batch : single;
    handler(request, response, next);
  };
}

/** What is answered as CSV. */
const CSV_PATH = /^\/api\/v1\/imports\/[^/]+\/errors$/;

function acceptsJson(): RequestHandler {
  return (request, _response, next) => {
    // What is answered as a file has types of its own.
    const isFile =
      request.path.endsWith('/export') ||
      (CSV_PATH.test(request.path) && request.accepts('csv') !== false);
    const isServed = isFile || request.path.startsWith(DOCS_PATH);
    const served = isServed || request.accepts('json') !== false;
    next(served ? undefined : new AppError('NOT_ACCEPTABLE'));
  };
}

/** Everything around the routes, the same for the server and for the tests over HTTP. */
export function configureApp(app: NestExpressApplication): NestExpressApplication {
  const config = app.get<ConfigService<AppConfig, true>>(ConfigService);
  const http = config.get('http', { infer: true });

  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', http.trustProxy);
  // First, so that those who watch are neither counted nor logged.
  if (config.get('metrics', { infer: true }).onApiPort) app.use(metricsRoute());
  const admission = app.get(Admission);
  admission.turnAwayFrom(app.getHttpServer());
  app.use(requestId());
  if (http.corsOrigins.length > 0) {
    app.enableCors({
      origin: http.corsOrigins,
      exposedHeaders: ['X-Request-Id', 'Retry-After', 'Location', 'ETag', 'Idempotency-Replayed'],
      maxAge: 600,
    });
  }
  app.use(
    inOrder(
      admission.turnAway(),
      securityHeaders(),
      arrivalTimeout(app.getHttpServer()),
      requestContext(http.requestTimeoutMs),
      requestLog(app.get<Logger>(LOGGER)),
      httpTelemetry(http.slowRequestMs, app.get<Tracing | null>(TRACING)),
      acceptsJson(),
      bodies(http.bodyLimitBytes),
      admission.takeTurns(),
    ),
  );
  if (http.docs) serveDocs(app);

  const server = app.getHttpServer();
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = UPLOAD_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  answerSocketErrors(server);
  return app;
}
