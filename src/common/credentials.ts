import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const HASH = Symbol('hash of the credentials');

/**
 * The hash of the token or key that a request brings, under which things may be remembered of its
 * caller, however the header around it is spelt; undefined without one. Made once for a request.
 */
export function credentialsHash(
  request: IncomingMessage & { [HASH]?: string },
): string | undefined {
  const bearer = bearerOf(request);
  if (bearer === undefined) return undefined;
  return (request[HASH] ??= hash('sha256', bearer, 'base64'));
}

/** What stands behind `Bearer` in the header; undefined for any other scheme. */
export function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}
