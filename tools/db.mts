// The development database by itself: npm run db
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { shown } from './local-cassandra/common.mts';
import { acquireCluster, DEV_FOLDER, stopCluster } from './local-cassandra/cluster.mts';
import { fail, say, untilSignal } from './terminal.mts';

const USAGE = `npm run db                 starts the development database and stays until Ctrl-C
npm run db -- --nodes 3    the same with three nodes, on 127.0.0.1, .2 and .3
npm run db -- --stop       stops it, also where its starter was killed
npm run db -- --wipe       stops it and deletes its data`;

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

async function main(): Promise<number> {
  const options = readOptions();
  if (!options || options.help) {
    process.stderr.write(`${USAGE}\n`);
    return options ? 0 : 2;
  }
  if (options.stop || options.wipe) {
    const stopped = await stopCluster(DEV_FOLDER, say);
    say(stopped > 0 ? 'stopped' : 'was not running');
    if (options.wipe) {
      rmSync(DEV_FOLDER, { recursive: true, force: true });
      say(`deleted ${shown(DEV_FOLDER)}`);
    }
    return 0;
  }
  const asked = untilSignal();
  const starting = new AbortController();
  void asked.then(() => {
    starting.abort(new Error('stopped'));
  });
  const nodes = Number(options.nodes);
  const cluster = await acquireCluster({ nodes, log: say, signal: starting.signal });
  say('use it from another terminal:');
  const settings = Object.entries(cluster.variables).map(([name, value]) => `${name}=${value}`);
  process.stderr.write(`  ${settings.join(' ')} npm start\n`);
  say('Ctrl-C stops it');
  await asked;
  await cluster.release();
  return 0;
}

main().then((code) => process.exit(code), fail);
