import { createHash } from 'node:crypto';
import { parse as uuidToBytes, stringify as bytesToUuid, v7 as timeOrderedId } from 'uuid';
import { currentRequest } from './request-context';
import { timeOfId } from './time-ordered-id';

/** The clocks of two processes differ by less than this. */
const CLOCK_MARGIN_MS = 60_000;
const TIME_BYTES = 6;
const ID_BYTES = 16;

/**
 * The id that `name` has in the operation of a seed, the same at every attempt. A valid UUIDv7: its
 * time is the seed's, and its other bits come from SHA-256(seed + name).
 * @throws TypeError when the seed is not a UUID
 */
export function derivedId(seed: string, name: string): string {
  const bytes = Buffer.alloc(ID_BYTES);
  const time = uuidToBytes(seed).subarray(0, TIME_BYTES);
  bytes.set(time);
  bytes.set(
    createHash('sha256')
      .update(seed + name)
      .digest()
      .subarray(0, ID_BYTES - TIME_BYTES),
    TIME_BYTES,
  );
  // Version and variant: RFC 9562, 5.7.
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytesToUuid(bytes);
}

/**
 * An id for what the current request makes: a repetition of the request, as its Idempotency-Key says
 * that it is one, gets the same id for the same name. Without such a key it is always a new one.
 * Whatever a request makes several of needs a name each, e.g. `item:3`.
 */
export function newId(name: string): string {
  const operation = currentRequest()?.operation;
  return operation ? derivedId(operation.seed, name) : timeOrderedId();
}

/**
 * True when an attempt before this one may have done its work, or a part of it: what stands under
 * the ids of `newId` is then our own.
 */
export function isReplay(): boolean {
  return currentRequest()?.operation?.replay ?? false;
}

/**
 * False where nothing that was last changed at this moment can be the work of another attempt of the
 * current request: the request has no key, or is younger.
 */
export function mayBeRepeated(changedAt: Date): boolean {
  const seed = currentRequest()?.operation?.seed;
  if (seed === undefined) return false;
  return changedAt.getTime() >= timeOfId(seed) - CLOCK_MARGIN_MS;
}
