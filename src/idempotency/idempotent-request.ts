import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';

export const KEY_HEADER = 'Idempotency-Key';
export const KEY_MAX_LENGTH = 255;

const ACCEPTABLE = new RegExp(`^[\\x20-\\x7e]{1,${String(KEY_MAX_LENGTH)}}$`);
const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Where a key counts: what it stands for elsewhere is no concern of it. */
export interface KeyScope {
  organizationId: string;
  /** The hash of the user and, where he calls by one, of his API key. */
  caller: string;
  /** The hash of the method and the path. */
  route: string;
  key: string;
}

function sha256(parts: unknown[]): Buffer {
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

/**
 * The key of a write; undefined where there is none.
 * @throws AppError VALIDATION_FAILED for one that cannot be taken
 */
export function idempotencyKeyOf(request: Request): string | undefined {
  if (!WRITES.has(request.method)) return undefined;
  const [key, ...others] = request.headersDistinct[KEY_HEADER.toLowerCase()] ?? [];
  if (key === undefined) return undefined;
  if (others.length > 0 || !ACCEPTABLE.test(key)) {
    const length = `1 to ${String(KEY_MAX_LENGTH)}`;
    const message = `${KEY_HEADER} must be ${length} printable ASCII characters, sent once`;
    throw validationFailed([{ field: KEY_HEADER, rule: 'isIdempotencyKey', message }]);
  }
  return key;
}

export function scopeOfKey(caller: Principal, request: Request, key: string): KeyScope {
  const [path = ''] = request.originalUrl.split('?', 1);
  return {
    organizationId: caller.organizationId,
    caller: sha256([caller.userId, caller.apiKeyId ?? null]).toString('hex'),
    route: sha256([request.method, path]).toString('hex'),
    key,
  };
}

/**
 * True for a form with a file: its body is not there yet, and is no part of `digestOf`. Its handler
 * runs at every repetition, under the same ids, and answers IDEMPOTENCY_KEY_REUSED itself.
 */
export function isStreamed(request: Request): boolean {
  return /^multipart\//i.test(request.headers['content-type'] ?? '');
}

/** What tells whether two requests are the same: method, URL, condition and body. */
export function digestOf(request: Request): Buffer {
  const condition = request.headers['if-match'] ?? null;
  return sha256([
    request.method,
    request.originalUrl,
    condition,
    canonicalJson(request.body as unknown),
  ]);
}

/** JSON whose fields have one order: clients that build it anew may send them in another. */
export function canonicalJson(value: unknown): string | null {
  const text = JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  ) as string | undefined;
  return text ?? null;
}
