import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { parse as uuidToBytes, stringify as bytesToUuid } from 'uuid';

export const ISSUER = 'crm-backend';
export const AUDIENCE = 'crm-api';
/** RFC 9068: keeps tokens of other kinds, signed with the same key, from passing for this one. */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** Ids and times only: no name, no email, no role (roles are read from the rows). */
export interface AccessTokenClaims {
  sub: string;
  org: string;
  sid: string;
  jti: string;
  iat: number;
  exp: number;
}

/** Where a refresh token belongs, and the 256 random bits that prove it. */
export interface RefreshToken {
  organizationId: string;
  userId: string;
  sessionId: string;
  secret: Buffer;
}

const MAC_BYTES = 16;
const ID_BYTES = 16;
const SECRET_BYTES = 32;

/**
 * The secret that follows another one. Derived, so that a client who asks again because the answer
 * got lost gets the same token, and of many who ask at once each gets the same.
 */
export function nextRefreshSecret(key: KeyObject, secret: Buffer): Buffer {
  return createHmac('sha256', key).update('next').update(secret).digest();
}

function mac(key: KeyObject, payload: Buffer): Buffer {
  return createHmac('sha256', key).update('token').update(payload).digest().subarray(0, MAC_BYTES);
}

/** Opaque to clients. The ids in it only say where to look; the secret decides. */
export function encodeRefreshToken(key: KeyObject, token: RefreshToken): string {
  const payload = Buffer.concat([
    uuidToBytes(token.userId),
    uuidToBytes(token.sessionId),
    token.secret,
    Buffer.from(token.organizationId),
  ]);
  return Buffer.concat([mac(key, payload), payload]).toString('base64url');
}

/**
 * Opens a token that was made with one of the keys; undefined for any other text. The MAC tells a
 * spent token, whose use ends the session, from one that somebody made up to end it.
 */
export function decodeRefreshToken(
  keys: readonly KeyObject[],
  text: string,
): RefreshToken | undefined {
  const bytes = Buffer.from(text, 'base64url');
  const given = bytes.subarray(0, MAC_BYTES);
  const payload = bytes.subarray(MAC_BYTES);
  const isOurs = keys.some(
    (key) => given.length === MAC_BYTES && timingSafeEqual(given, mac(key, payload)),
  );
  if (!isOurs || bytes.toString('base64url') !== text) return undefined;
  const secretAt = 2 * ID_BYTES;
  return {
    userId: bytesToUuid(payload.subarray(0, ID_BYTES)),
    sessionId: bytesToUuid(payload.subarray(ID_BYTES, secretAt)),
    secret: Buffer.from(payload.subarray(secretAt, secretAt + SECRET_BYTES)),
    organizationId: payload.subarray(secretAt + SECRET_BYTES).toString(),
  };
}
