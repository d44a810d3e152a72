// npm start and npm run dev: the server, and a database of its own where none is named.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mts';
import { acquireCluster } from './local-cassandra/cluster.mts';
import { isPortOpen, PROJECT } from './local-cassandra/common.mts';
import { fail, say, untilSignal } from './terminal.mts';

const SERVER = [process.execPath, '--enable-source-maps', join(PROJECT, 'dist', 'main.js')];
const WATCH = [
  process.execPath,
  join(PROJECT, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js'),
  'start',
  '--watch',
];

async function main(args: string[]): Promise<number> {
  const command = args.includes('--watch') ? WATCH : SERVER;
  const file = join(PROJECT, '.env');
  if (existsSync(file)) process.loadEnvFile(file);
  const { NODE_ENV, CASSANDRA_CONTACT_POINTS, PORT } = process.env;
  if (NODE_ENV === 'production' || CASSANDRA_CONTACT_POINTS) return runChild(command, {});

  // Asked before the database is started for nothing.
  const port = Number(PORT ?? 4000);
  if (await isPortOpen('127.0.0.1', port)) {
    throw new Error(
      `Port ${String(port)} is taken by another program.\n` +
        'Stop it, or choose another port: PORT=4001 npm start',
    );
  }
  const starting = new AbortController();
  void untilSignal().then(() => {
    starting.abort(new Error('stopped'));
  });
  const cluster = await acquireCluster({ nodes: 1, log: say, signal: starting.signal });
  try {
    if (starting.signal.aborted) return 0;
    return await runChild(command, cluster.variables);
  } finally {
    await cluster.release();
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code), fail);
