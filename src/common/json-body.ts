import { json, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { AppError, validationFailed } from './errors';

/** Deeper documents cost more to walk than any of our objects needs. */
const MAX_DEPTH = 20;
/** None of our objects and lists has as many; each more is a fault to be found and told. */
const MAX_ENTRIES = 1000;
/** Keys that would reach a prototype where an object is copied key by key. */
const POISONOUS_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** The media type without parameters, and its charset. */
function mediaType(header: string): { type: string; charset: string } {
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  return { type, charset: charset?.slice('charset='.length).replaceAll('"', '') ?? 'utf-8' };
}

/** What has none has arrived as a whole with its headers. */
export function hasBody(request: Request): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined ||
    (request.headers['content-length'] ?? '0') !== '0'
  );
}

/** Walks without recursion: the stack of the process is not the caller's to fill. */
function checkShape(body: unknown): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw validationFailed([
      { field: '', rule: 'isObject', message: 'The body must be a JSON object' },
    ]);
  }
  const open: { value: object; depth: number }[] = [{ value: body, depth: 1 }];
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.depth > MAX_DEPTH) {
      throw validationFailed([
        {
          field: '',
          rule: 'maxDepth',
          message: `The body must not be nested deeper than ${String(MAX_DEPTH)} levels`,
        },
      ]);
    }
    const entries = Object.entries(next.value);
    if (entries.length > MAX_ENTRIES) {
      throw validationFailed([
        {
          field: '',
          rule: 'maxEntries',
          message: `No object or list of the body can have more than ${String(MAX_ENTRIES)} entries`,
        },
      ]);
    }
    for (const [key, value] of entries) {
      if (POISONOUS_KEYS.has(key)) {
        throw validationFailed([
          { field: key, rule: 'unknownField', message: 'This field is not known here.' },
        ]);
      }
      if (typeof value === 'object' && value !== null) {
        open.push({ value: value as object, depth: next.depth + 1 });
      }
    }
  }
}

function toAppError(error: unknown, limitBytes: number): unknown {
  if (error instanceof AppError) return error;
  switch ((error as { type?: unknown }).type) {
    case 'entity.too.large':
      return new AppError('PAYLOAD_TOO_LARGE', { details: { limit: limitBytes }, cause: error });
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new AppError('UNSUPPORTED_MEDIA_TYPE', { cause: error });
    case 'entity.parse.failed':
      // Without its cause: the parser's message quotes the body.
      return new AppError('MALFORMED_JSON');
    default:
      // Cut off, of the wrong length, or not what its Content-Encoding says.
      return new AppError('MALFORMED_REQUEST', { cause: error });
  }
}

/**
 * Reads JSON bodies and nothing else: other media types are 415 (which also rules out cross-site
 * form posts), a body over the limit is 413 before and after decompression, and the shape is
 * bounded before any validator sees it.
 */
export function jsonBody(limitBytes: number): RequestHandler {
  // `strict: false` leaves the judgement of scalars to checkShape: one message for one fault.
  const parse = json({ limit: limitBytes, strict: false, type: () => true });
  return (request: Request, response: Response, next: NextFunction) => {
    if (!hasBody(request)) {
      next();
      return;
    }
    const { type, charset } = mediaType(request.headers['content-type'] ?? '');
    if (type !== 'application/json' || charset !== 'utf-8') {
      next(new AppError('UNSUPPORTED_MEDIA_TYPE'));
      return;
    }
    parse(request, response, (error?: Error) => {
      try {
        if (error !== undefined) throw error;
        checkShape(request.body);
        next();
      } catch (fault) {
        next(toAppError(fault, limitBytes));
      }
    });
  };
}
