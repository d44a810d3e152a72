import { StartupError } from './cassandra/connect';
import { ConfigError } from './config/read-environment';

function explain(error: unknown): string | undefined {
  if (error instanceof ConfigError || error instanceof StartupError) return error.message;
  const { code, port } = error as { code?: string; port?: number };
  if (code === 'EADDRINUSE') {
    return `Port ${String(port)} is taken by another program.\nStop it, or choose another port: PORT=4001 npm start`;
  }
  if (code === 'EACCES' && port !== undefined) {
    return `Port ${String(port)} may not be opened by this user.\nChoose one above 1023: PORT=4000 npm start`;
  }
  return undefined;
}

/** Ends a start that failed: in words where the reason is known, with the stack where it is not. */
export function failStart(error: unknown): never {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`\n${explain(error) ?? stack}\n`);
  process.exit(1);
}
