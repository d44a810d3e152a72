import { createHash, randomBytes } from 'node:crypto';
import { parse as uuidToBytes, stringify as bytesToUuid } from 'uuid';

const ID_BYTES = 16;
const SECRET_BYTES = 32;

/** 256 random bits: ASVS 5.0, 11.5.1 does not count a UUID as a secret. */
export function newSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** What the database keeps of a secret. It is random: a fast hash cannot be guessed backwards. */
export function hashSecret(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** A text for a link: the ids say where to look, the secret decides. */
export function encodeOpaqueToken(ids: readonly string[], secret: Buffer): string {
  return Buffer.concat([...ids.map((id) => uuidToBytes(id)), secret]).toString('base64url');
}

/** The `count` ids and the secret of a token; undefined for a text that has not its form. */
export function decodeOpaqueToken(
  text: string,
  count: number,
): { ids: string[]; secret: Buffer } | undefined {
  const bytes = Buffer.from(text, 'base64url');
  const secretAt = count * ID_BYTES;
  if (bytes.length !== secretAt + SECRET_BYTES || bytes.toString('base64url') !== text) {
    return undefined;
  }
  try {
    const ids = Array.from({ length: count }, (_, index) =>
      bytesToUuid(bytes.subarray(index * ID_BYTES, (index + 1) * ID_BYTES)),
    );
    return { ids, secret: Buffer.from(bytes.subarray(secretAt)) };
  } catch {
    // Sixteen bytes that are no UUID of any version.
    return undefined;
  }
}
