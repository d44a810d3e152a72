import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Mail } from './mail';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts a message for its time in the queue, by AES-256-GCM. */
export function sealMail(key: Buffer, mail: Mail): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(mail)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Opens a message that was sealed with one of the keys; undefined where none of them fits. */
export function openMail(keys: readonly Buffer[], sealed: Buffer): Mail | undefined {
  for (const key of keys) {
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES));
      decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      const text = Buffer.concat([
        decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)),
        decipher.final(),
      ]);
      return JSON.parse(text.toString()) as Mail;
    } catch {
      // Not this key.
    }
  }
  return undefined;
}
