import pino, { type Logger, type LoggerOptions } from 'pino';
import { logFields } from '../common/request-context';
import type { AppConfig } from '../config/app-config';

/** Names whose values are secrets, wherever in a log object they turn up. */
const SECRET_NAME = /passw|secret|token|authorization|cookie|api_?key|hash/i;
const MAX_DEPTH = 8;
/** More lines than that are written before the turn is over. */
const TURN_BYTES = 8192;

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
    mixin: () => logFields(),
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
  return pino(options, standardOutput());
}

/** One write for all lines of a turn of the event loop: a line by itself is a good part of a short request. */
function standardOutput(): pino.DestinationStream {
  const stream = pino.destination({ sync: true, minLength: TURN_BYTES });
  const flush = () => {
    stream.flush();
  };
  process.once('exit', flush);
  let isDue = false;
  return {
    write(line) {
      stream.write(line);
      if (isDue) return;
      isDue = true;
      setImmediate(() => {
        isDue = false;
        flush();
      });
    },
  };
}
