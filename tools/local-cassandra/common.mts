import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What keeps the database from starting, in at most five lines that say what to do. */
export class LocalCassandraError extends Error {}

export const PROJECT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Git-ignored: the fetched server, and the data of every cluster. */
export const HOME = join(PROJECT, '.local', 'cassandra');

export type Log = (message: string) => void;

/** A path as a person in the project's folder would type it. */
export function shown(path: string): string {
  return relative(PROJECT, path);
}

const DISK_FAULTS = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EEXIST']);

/** The same error, or what to do about it where the disk is full or not ours to write. */
export function explainDiskFault(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!DISK_FAULTS.has(code)) return error;
  return new LocalCassandraError(
    `The local Cassandra cannot write its files below ${shown(HOME)}:\n${error.message}\n` +
      'Free some space, or give that folder to the user you are now, and start again.',
  );
}
