import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const HASH = Symbol('hash of the credentials');

/**
 * The hash of what a request proves its caller with, under which things may be remembered of it;
 * undefined without credentials. Made once for a request.
 */
export function credentialsHash(
  request: IncomingMessage & { [HASH]?: string },
): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  return (request[HASH] ??= hash('sha256', authorization, 'base64'));
}

/** What stands behind `Bearer` in the header; undefined for any other scheme. */
export function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}
