import { findLeaks } from './run-log';

/** The end of the e2e run: not one of the secrets that went over the wire may be in the logs. */
export default function globalTeardown(): void {
  const { secrets, lines, leaks } = findLeaks();
  if (leaks.length > 0) {
    throw new Error(
      `${String(leaks.length)} secrets are in the log of the run: ${leaks.join(', ')}`,
    );
  }
  process.stdout.write(
    `\nno secret of ${String(secrets)} in ${String(lines)} lines of server log\n`,
  );
}
