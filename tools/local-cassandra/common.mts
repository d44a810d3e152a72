import { connect } from 'node:net';
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

/** True when something accepts connections there. */
export function isPortOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => {
      end(true);
    });
    socket.once('timeout', () => {
      end(false);
    });
    socket.once('error', () => {
      end(false);
    });
  });
}
