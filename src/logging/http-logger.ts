import type { Request, Response } from 'express';
import pino, { type Logger, type LoggerOptions } from 'pino';
import { type HttpLogger, pinoHttp } from 'pino-http';
import type { AppConfig } from '../config/app-config';

/** Names whose values are secrets, wherever in a log object they turn up. */
const SECRET_NAME = /passw|secret|token|authorization|cookie|api_?key|hash/i;
const MAX_DEPTH = 8;

/** A copy without secrets. Log objects are small; the bounds are for what slips in. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (value instanceof Error) return describeError(value);
  if (depth >= MAX_DEPTH) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_NAME.test(key) ? '[secret]' : redact(item, depth + 1),
    ]),
  );
}

/** Message, code, stack and causes of an error, and nothing else: drivers hang whole requests on theirs. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error) || depth >= MAX_DEPTH) return String(error);
  const { code, innerErrors } = error as { code?: unknown; innerErrors?: Record<string, unknown> };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    stack: error.stack,
    ...(innerErrors
      ? {
          hosts: Object.fromEntries(
            Object.entries(innerErrors).map(([host, inner]) => [
              host,
              describeError(inner, depth + 1),
            ]),
          ),
        }
      : {}),
    ...(error.cause !== undefined ? { cause: describeError(error.cause, depth + 1) } : {}),
  };
}

/** `redact` has described errors already; pino's own serializer would add what hangs on them. */
const asIs = (value: unknown) => value;

export function createLogger(
  config: AppConfig['log'],
  destination?: pino.DestinationStream,
): Logger {
  const options: LoggerOptions = {
    level: config.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: asIs },
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => redact(fields) as Record<string, unknown>,
    },
  };
  if (destination) return pino(options, destination);
  if (config.pretty) {
    return pino({
      ...options,
      // A custom level format cannot cross into the thread of a transport.
      formatters: { log: options.formatters?.log },
      transport: {
        target: 'pino-pretty',
        options: {
          singleLine: true,
          ignore: 'context',
          messageFormat: '{if context}[{context}] {end}{msg}',
        },
      },
    });
  }
  return pino(options);
}

/**
 * One line a request, when it ends. An allow-list: no headers, no query (it may carry a token), no
 * body, so there is nothing to forget to redact.
 */
export function createHttpLogger(logger: Logger): HttpLogger<Request, Response> {
  return pinoHttp<Request, Response>({
    logger,
    wrapSerializers: false,
    // Of request and response it would keep all headers, and write them out for every request.
    serializers: { err: asIs, req: () => undefined, res: () => undefined },
    genReqId: (request) => request.id,
    quietReqLogger: true,
    quietResLogger: true,
    customAttributeKeys: { reqId: 'request_id', responseTime: 'duration_ms' },
    customLogLevel: (_request, response, error) =>
      error !== undefined || response.statusCode >= 500 ? 'error' : 'info',
    customSuccessMessage: () => 'request',
    customErrorMessage: () => 'request',
    customSuccessObject: (request, response, line) =>
      requestLine(request, response, line as object),
    customErrorObject: (request, response, _error, line) => {
      // The filter has logged the error with all it knows.
      return { ...requestLine(request, response, line as object), err: undefined };
    },
  });
}

function requestLine(request: Request, response: Response, line: object): object {
  return {
    ...line,
    // Before it is serialized it would be searched for secrets, all that hangs on it.
    res: undefined,
    method: request.method,
    path: request.originalUrl.split('?', 1)[0]?.slice(0, 500),
    status: response.statusCode,
    ip: request.ip,
    user_agent: request.headers['user-agent']?.slice(0, 200),
  };
}
