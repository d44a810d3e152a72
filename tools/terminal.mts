import { LocalCassandraError } from './local-cassandra/common.mts';

/** Progress for the person at the terminal. Not on stdout, which belongs to the command. */
export function say(message: string): void {
  process.stderr.write(`cassandra  ${message}\n`);
}

/** Ends the program after a fault: what to do about it, and no stack unless DEBUG is set. */
export function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  const known = error instanceof LocalCassandraError;
  const stack =
    !known && process.env.DEBUG && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  process.stderr.write(`\n${message}${stack}\n`);
  process.exit(1);
}

/** Resolves with the first signal that asks the program to end, and swallows the later ones. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, resolve);
  });
}
