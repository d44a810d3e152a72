import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { AppError } from './errors';

const MAC_BYTES = 16;
const VERSION = 1;

/** A position in a list: the sort key of the last row that was given out. */
export type CursorPosition = readonly string[];

function mac(key: KeyObject, scope: string, payload: Buffer): Buffer {
  // The length of the scope keeps (scope, payload) pairs apart that concatenate to the same bytes.
  const head = Buffer.from(`${String(VERSION)}:${String(Buffer.byteLength(scope))}:${scope}`);
  return createHmac('sha256', key).update(head).update(payload).digest().subarray(0, MAC_BYTES);
}

/**
 * Packs a position for the client. `scope` names what the cursor is good for (organization, list,
 * sort, filters); the MAC binds the cursor to it, so it opens nothing else.
 */
export function encodeCursor(key: KeyObject, scope: string, position: CursorPosition): string {
  const payload = Buffer.from(JSON.stringify(position));
  return Buffer.concat([mac(key, scope, payload), payload]).toString('base64url');
}

/** Opens a cursor; anything but our own cursor for the same scope answers 400 INVALID_CURSOR. */
export function decodeCursor(key: KeyObject, scope: string, cursor: string): CursorPosition {
  const bytes = Buffer.from(cursor, 'base64url');
  const payload = bytes.subarray(MAC_BYTES);
  const expected = mac(key, scope, payload);
  const given = bytes.subarray(0, MAC_BYTES);
  const genuine = given.length === MAC_BYTES && timingSafeEqual(given, expected);
  // base64url decoding forgives stray characters; a cursor has exactly one spelling.
  if (!genuine || bytes.toString('base64url') !== cursor) {
    throw new AppError('INVALID_CURSOR');
  }
  return JSON.parse(payload.toString()) as CursorPosition;
}
