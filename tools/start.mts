// npm start and npm run dev: the server, and a database of its own where none is named.
import { join } from 'node:path';
import { type Ending, runChild } from './child.mts';
import { acquireCluster } from './local-cassandra/cluster.mts';
import { PROJECT } from './local-cassandra/common.mts';
import { listenFault } from './local-cassandra/ports.mts';
import { NODE_ARGS } from './node-args.mts';
import { fail, Interrupted, loadEnv, say, signalCode, untilAsked } from './terminal.mts';

const SERVER = [process.execPath, ...NODE_ARGS, join(PROJECT, 'dist', 'main.js')];
const NEST = join(PROJECT, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
const WATCH = [process.execPath, NEST, 'start', '--watch'];

/** A server that ended because it was asked to is no failure, unless it had to be killed. */
function exitCode({ code, asked }: Ending): number {
  return asked && code > 128 && code !== signalCode('SIGKILL') ? 0 : code;
}

/** Fails where the server could not listen, before a database is started for nothing. */
async function checkPort(): Promise<void> {
  const port = Number(process.env.PORT ?? 4000);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
  if ((await listenFault(process.env.HOST ?? '0.0.0.0', port)) !== 'EADDRINUSE') return;
  throw new Error(
    `Port ${String(port)} is taken by another program.\n` +
      `Stop it, or choose another port: PORT=${String(port + 1)} npm start`,
  );
}

async function main(args: string[]): Promise<number> {
  const watch = args[0] === '--watch';
  if (args.length > (watch ? 1 : 0)) {
    process.stderr.write('usage: node tools/start.mts [--watch]\n');
    return 2;
  }
  loadEnv();
  await checkPort();
  const command = watch ? WATCH : SERVER;
  const { NODE_ENV, CASSANDRA_CONTACT_POINTS } = process.env;
  if (NODE_ENV === 'production' || CASSANDRA_CONTACT_POINTS) {
    return exitCode(await runChild(command, {}));
  }
  const signal = untilAsked();
  try {
    const cluster = await acquireCluster({ nodes: 1, log: say, signal });
    try {
      signal.throwIfAborted();
      return exitCode(await runChild(command, cluster.variables));
    } finally {
      await cluster.release();
    }
  } catch (error) {
    if (error instanceof Interrupted) return 0;
    throw error;
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code), fail);
