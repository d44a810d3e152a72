import { isDeepStrictEqual } from 'node:util';
import type { RecordData, StoredRecord } from '../record';

/**
 * Longest copy, in bytes. A partition has some 50,000 rows, and should stay below 100 MB; a record that is
 * longer is read by itself.
 */
const COPY_MAX = 2000;

interface Copy {
  version: number;
  operationId: string;
  data: RecordData;
  createdAt: number;
  createdBy: string;
  updatedAt: number;
  updatedBy: string;
}

/** A live record as a row of a list carries it; null where it is too long for that. */
export function toCopy(record: StoredRecord): string | null {
  const { version, operationId, data, createdBy, updatedBy } = record;
  const copy: Copy = {
    ...{ version, operationId, data, createdBy, updatedBy },
    createdAt: record.createdAt.getTime(),
    updatedAt: record.updatedAt.getTime(),
  };
  const text = JSON.stringify(copy);
  return Buffer.byteLength(text) > COPY_MAX ? null : text;
}

/**
 * The record that a row of this version carries: undefined where the copy is of another one, as a process
 * of a release without copies leaves it.
 */
export function fromCopy(
  key: Pick<StoredRecord, 'organizationId' | 'object' | 'id'>,
  version: number,
  text: string,
): StoredRecord | undefined {
  const copy = JSON.parse(text) as Copy;
  if (copy.version !== version) return undefined;
  return {
    ...key,
    state: 'live',
    version,
    operationId: copy.operationId,
    data: copy.data,
    createdAt: new Date(copy.createdAt),
    createdBy: copy.createdBy,
    updatedAt: new Date(copy.updatedAt),
    updatedBy: copy.updatedBy,
    deletedAt: null,
  };
}

/**
 * Whether a stored copy says what the record does. One that was withdrawn, or is of another version than
 * its row, says nothing; the mark of a fence is not in it.
 */
export function copyAgrees(stored: string | null | undefined, expected: string | null): boolean {
  if (!stored || expected === null || stored === expected) return true;
  const [one, other] = [stored, expected].map((text) => JSON.parse(text) as Copy);
  if (one?.version !== other?.version) return true;
  return isDeepStrictEqual({ ...one, operationId: null }, { ...other, operationId: null });
}
