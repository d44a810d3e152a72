import { setTimeout as sleep } from 'node:timers/promises';
import cassandra from 'cassandra-driver';
import { DATACENTER, type NodeSpec } from './node-config.mts';

export const LOGIN = { username: 'cassandra', password: 'cassandra' };

const SPREAD_LIMIT_MS = 60_000;

function clientOf(node: NodeSpec): cassandra.Client {
  return new cassandra.Client({
    contactPoints: [node.address],
    protocolOptions: { port: node.nativePort },
    localDataCenter: DATACENTER,
    credentials: LOGIN,
  });
}

/** True when the node takes a login: its role is created some time after its port opens. */
export async function acceptsLogin(node: NodeSpec): Promise<boolean> {
  const client = clientOf(node);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.shutdown().catch(() => undefined);
  }
}

async function replicateRoles(node: NodeSpec, copies: number): Promise<void> {
  const client = clientOf(node);
  try {
    await client.connect();
    await client.execute(
      `ALTER KEYSPACE system_auth WITH replication =
       {'class': 'NetworkTopologyStrategy', '${DATACENTER}': ${String(copies)}}`,
    );
    // Nobody may write their own role again. Read from all copies, it is repaired in all of them.
    await client.execute('SELECT * FROM system_auth.roles', [], {
      consistency: cassandra.types.consistencies.all,
    });
  } finally {
    await client.shutdown().catch(() => undefined);
  }
}

/** Copies the roles to several nodes, so that a login works while one of them is dead. */
export async function spreadRoles(nodes: NodeSpec[], signal?: AbortSignal): Promise<void> {
  const [first] = nodes;
  if (nodes.length === 1 || !first) return;
  const giveUpAt = Date.now() + SPREAD_LIMIT_MS;
  for (;;) {
    try {
      await replicateRoles(first, Math.min(nodes.length, 3));
      return;
    } catch (error) {
      // A node that has just come up is not yet known as up to the others.
      if (Date.now() > giveUpAt) throw error;
    }
    await sleep(500);
    signal?.throwIfAborted();
  }
}
