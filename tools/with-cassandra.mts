// Runs a command against a Cassandra of its own: empty, on free ports, gone afterwards.
// With CASSANDRA_CONTACT_POINTS set, the command gets that cluster and nothing is started.
import { runChild } from './child.mts';
import { acquireCluster } from './local-cassandra/cluster.mts';
import { fail, say, untilAsked } from './terminal.mts';

const USAGE = 'usage: node tools/with-cassandra.mts [--nodes 1-9] -- COMMAND …\n';

function parse(args: string[]): { nodes: number; command: string[] } | undefined {
  const separator = args.indexOf('--');
  const command = args.slice(separator + 1);
  const options = args.slice(0, Math.max(separator, 0)).join(' ');
  const nodes = options === '' ? '1' : /^--nodes[ =]([1-9])$/.exec(options)?.[1];
  if (separator < 0 || command.length === 0 || nodes === undefined) return undefined;
  return { nodes: Number(nodes), command };
}

async function main(args: string[]): Promise<number> {
  const parsed = parse(args);
  if (!parsed) {
    process.stderr.write(USAGE);
    return args[0] === '--help' ? 0 : 2;
  }
  const { nodes, command } = parsed;
  if (process.env.CASSANDRA_CONTACT_POINTS) return (await runChild(command, {})).code;
  const signal = untilAsked();
  const cluster = await acquireCluster({ nodes, ephemeral: true, log: say, signal });
  try {
    signal.throwIfAborted();
    return (await runChild(command, cluster.variables)).code;
  } finally {
    await cluster.release();
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code), fail);
