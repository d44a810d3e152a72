// The development database by itself: npm run db
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  acquireCluster,
  DEV_FOLDER,
  stopCluster,
  sweepLeftovers,
  wipeCluster,
} from './local-cassandra/cluster.mts';
import { explainDiskFault, shown } from './local-cassandra/common.mts';
import { withLock } from './local-cassandra/lock.mts';
import { fail, Interrupted, loadEnv, say, untilAsked } from './terminal.mts';

const USAGE = `npm run db                 starts the development database and stays until Ctrl-C
npm run db -- --nodes 3    the same with three nodes, on 127.0.0.1, .2 and .3
npm run db -- --stop       stops it, also where its starter was killed
npm run db -- --wipe       stops it and deletes its data
`;

const OPTIONS = {
  nodes: { type: 'string', default: '1' },
  stop: { type: 'boolean', default: false },
  wipe: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

function readOptions() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    return /^[1-9]$/.test(values.nodes) ? values : undefined;
  } catch {
    return undefined;
  }
}

async function stop(wipe: boolean): Promise<void> {
  await sweepLeftovers(say);
  await withLock(DEV_FOLDER, { log: say }, async () => {
    const stopped = await stopCluster(DEV_FOLDER, say);
    say(stopped > 0 ? 'stopped' : 'was not running');
    if (!wipe) return;
    wipeCluster(DEV_FOLDER);
    say(`deleted the data in ${shown(DEV_FOLDER)}`);
  });
}

async function serve(nodes: number): Promise<number> {
  const signal = untilAsked();
  const cluster = await acquireCluster({ nodes, log: say, signal });
  const settings = Object.entries(cluster.variables).map(([name, value]) => `  ${name}=${value}\n`);
  say('"npm start" in another terminal uses it; for any other program:');
  process.stderr.write(settings.join(''));
  say('Ctrl-C stops it');
  while (!signal.aborted && cluster.isRunning()) {
    await sleep(1000, undefined, { signal }).catch(() => undefined);
  }
  if (!signal.aborted) say('it has been stopped from elsewhere');
  await cluster.release();
  return signal.aborted ? 0 : 1;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (!options || options.help) {
    process.stderr.write(USAGE);
    return options ? 0 : 2;
  }
  loadEnv();
  if (options.stop || options.wipe) {
    await stop(options.wipe);
    return 0;
  }
  return serve(Number(options.nodes));
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof Interrupted) process.exit(0);
    fail(explainDiskFault(error));
  },
);
