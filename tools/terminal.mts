import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { LocalCassandraError, PROJECT } from './local-cassandra/common.mts';

/** The signals that ask a program to end. */
export const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The exit code of a program that a signal ended, as shells have it. */
export function signalCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** Thrown out of work that a signal breaks off. */
export class Interrupted extends Error {
  readonly code: number;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.code = signalCode(signal);
  }
}

/** Aborts with the first signal to end; later ones change nothing, for the way out has begun. */
export function untilAsked(): AbortSignal {
  const controller = new AbortController();
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      controller.abort(new Interrupted(signal));
    });
  }
  return controller.signal;
}

/** Progress for the person at the terminal. Not on stdout, which belongs to the command. */
export function say(message: string): void {
  process.stderr.write(`cassandra  ${message}\n`);
}

/** Reads the .env file if there is one; what the environment has already stays. */
export function loadEnv(): void {
  const file = join(PROJECT, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
}

/** Ends the program after a fault: what to do about it, and no stack unless DEBUG is set. */
export function fail(error: unknown): never {
  if (error instanceof Interrupted) process.exit(error.code);
  const message = error instanceof Error ? error.message : String(error);
  const known = error instanceof LocalCassandraError;
  const stack =
    !known && process.env.DEBUG && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  process.stderr.write(`\n${message}${stack}\n`);
  process.exit(1);
}
