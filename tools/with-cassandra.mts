// Runs a command against a Cassandra of its own: empty, on free ports, gone afterwards.
//   node tools/with-cassandra.mts [--nodes N] -- COMMAND …
// With CASSANDRA_CONTACT_POINTS set, the command gets that cluster and nothing is started.
import { runChild } from './child.mts';
import { acquireCluster } from './local-cassandra/cluster.mts';
import { fail, say, untilSignal } from './terminal.mts';

async function main(args: string[]): Promise<number> {
  const separator = args.indexOf('--');
  const command = args.slice(separator + 1);
  const nodes = args[0] === '--nodes' ? Number(args[1]) : 1;
  if (separator < 0 || command.length === 0 || !Number.isInteger(nodes) || nodes < 1) {
    process.stderr.write('usage: node tools/with-cassandra.mts [--nodes N] -- COMMAND …\n');
    return 2;
  }
  if (process.env.CASSANDRA_CONTACT_POINTS) return runChild(command, {});
  const starting = new AbortController();
  void untilSignal().then(() => {
    starting.abort(new Error('stopped'));
  });
  const { signal } = starting;
  const cluster = await acquireCluster({ nodes, ephemeral: true, log: say, signal });
  try {
    return await runChild(command, cluster.variables);
  } finally {
    await cluster.release();
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code), fail);
