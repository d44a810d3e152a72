import { createHash, randomBytes } from 'node:crypto';
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

const ID_BYTES = 16;
const SECRET_BYTES = 32;
const HEAD_BYTES = 2 * ID_BYTES + SECRET_BYTES;

export function newRefreshSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** What the database keeps of a secret. It is random: a fast hash cannot be guessed backwards. */
export function hashSecret(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Opaque to clients. The ids in it only say where to look; the secret decides. */
export function encodeRefreshToken(token: RefreshToken): string {
  return Buffer.concat([
    uuidToBytes(token.userId),
    uuidToBytes(token.sessionId),
    token.secret,
    Buffer.from(token.organizationId),
  ]).toString('base64url');
}

/** undefined for what cannot be a token of ours. */
export function decodeRefreshToken(text: string): RefreshToken | undefined {
  const bytes = Buffer.from(text, 'base64url');
  const organizationId = bytes.subarray(HEAD_BYTES).toString();
  if (bytes.toString('base64url') !== text || !/^[\w-]{1,64}$/.test(organizationId))
    return undefined;
  try {
    return {
      organizationId,
      userId: bytesToUuid(bytes.subarray(0, ID_BYTES)),
      sessionId: bytesToUuid(bytes.subarray(ID_BYTES, 2 * ID_BYTES)),
      secret: Buffer.from(bytes.subarray(2 * ID_BYTES, HEAD_BYTES)),
    };
  } catch {
    return undefined;
  }
}
