// Cassandra's own nodetool, for the development database: npm run nodetool -- status
import { DEV_FOLDER, loadPlan } from './local-cassandra/cluster.mts';
import { LocalCassandraError } from './local-cassandra/common.mts';
import { showNodetool } from './local-cassandra/nodetool.mts';
import { fail } from './terminal.mts';

async function main(args: string[]): Promise<number> {
  const [first, number] = args;
  const isChosen = first === '--node';
  const node = loadPlan(DEV_FOLDER)[(isChosen ? Number(number) : 1) - 1];
  if (!node) throw new LocalCassandraError('There is no such node. Start them: npm run db');
  return showNodetool(node, isChosen ? args.slice(2) : args);
}

main(process.argv.slice(2)).then((code) => process.exit(code), fail);
