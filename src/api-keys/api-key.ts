import { parse as uuidToBytes, stringify as bytesToUuid } from 'uuid';
import type { Role } from '../common/permissions';

/** A way in for a program, in the name of the user who made it. */
export interface ApiKey {
  organizationId: string;
  id: string;
  name: string;
  /** Counts as far as its maker's own role goes. */
  role: Role;
  secretHash: Buffer;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  /** To the hour; null while it has not been used. */
  lastUsedAt: Date | null;
}

/** Tells a key from an access token, and makes one that was published findable by scanners. */
export const API_KEY_PREFIX = 'crm_';

const ID_BYTES = 16;
const SECRET_BYTES = 32;
const HEAD_BYTES = ID_BYTES + SECRET_BYTES;

/** The text a program sends as a bearer token. */
export function encodeApiKey(organizationId: string, id: string, secret: Buffer): string {
  const bytes = Buffer.concat([uuidToBytes(id), secret, Buffer.from(organizationId)]);
  return API_KEY_PREFIX + bytes.toString('base64url');
}

/** undefined for a text that has not the form of a key. */
export function decodeApiKey(
  text: string,
): { organizationId: string; id: string; secret: Buffer } | undefined {
  const body = text.slice(API_KEY_PREFIX.length);
  const bytes = Buffer.from(body, 'base64url');
  const organizationId = bytes.subarray(HEAD_BYTES).toString();
  const wellFormed = bytes.toString('base64url') === body && /^[\w-]{1,64}$/.test(organizationId);
  if (!text.startsWith(API_KEY_PREFIX) || !wellFormed) return undefined;
  try {
    const id = bytesToUuid(bytes.subarray(0, ID_BYTES));
    return { organizationId, id, secret: Buffer.from(bytes.subarray(ID_BYTES, HEAD_BYTES)) };
  } catch {
    return undefined;
  }
}
