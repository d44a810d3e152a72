import { setTimeout as sleep } from 'node:timers/promises';
import { ensureJars } from '../../tools/local-cassandra/jars.mts';
import { findJava } from '../../tools/local-cassandra/java.mts';
import { runningPid, startNode, waitForLogin } from '../../tools/local-cassandra/node.mts';
import type { NodeSpec } from '../../tools/local-cassandra/node-config.mts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import type { History } from './history.mts';
import { Random } from './random.mts';
import type { Server } from './servers.mts';

/** What can be hurt. */
export interface Cluster {
  nodes: readonly NodeSpec[];
  servers: readonly Server[];
  /** The way of one of the servers to each node. */
  doors: readonly TcpProxy[];
}

export type FaultKind = 'kill node' | 'stop node' | 'crash server' | 'cut database' | 'cut clients';

interface Fault {
  target: string;
  begin: () => void | Promise<void>;
  heal: () => void | Promise<void>;
}

/** A fault that is over; times are ms of the history. */
export interface Suffered {
  kind: FaultKind;
  target: string;
  beganAt: number;
  /** When the healing began: until here the cluster was hurt. */
  heldUntil: number;
  healedAt: number;
}

export interface Step {
  kind: FaultKind;
  holdMs: number;
  /** Which of the servers; by chance unless told. */
  server?: number;
}

/** Where a server dies: between any two of these a write is half done. */
const CRASHES: [string, ...string[]] = [
  'before:records.commit',
  'after:records.commit',
  'after:list_rows.put',
  'after:unique_values.claim',
  'after:users_by_email.take',
  'after:users.insert',
  'after:idempotency.insert',
];
const CRASH_PATIENCE_MS = 4000;

export class Nemesis {
  readonly suffered: Suffered[] = [];
  private readonly cluster: Cluster;
  private readonly history: History;
  private readonly random: Random;
  private readonly say: (line: string) => void;

  constructor(
    cluster: Cluster,
    history: History,
    seed: number,
    say: (line: string) => void = () => undefined,
  ) {
    this.cluster = cluster;
    this.history = history;
    this.random = new Random(seed);
    this.say = say;
  }

  /** Does the steps one after the other, with a pause after each; all is well in the end. */
  async run(steps: readonly Step[], pauseMs: number, signal: AbortSignal): Promise<void> {
    for (const step of steps) {
      signal.throwIfAborted();
      await this.suffer(step, signal);
      await sleep(pauseMs);
    }
  }

  private async suffer(step: Step, signal: AbortSignal): Promise<void> {
    const { kind, holdMs } = step;
    const { target, begin, heal } = this.plan(step);
    this.say(`${kind} ${target}`);
    this.history.note(`${kind} ${target}`);
    const beganAt = this.history.now();
    let heldUntil: number;
    try {
      await begin();
      await sleep(holdMs, undefined, { signal });
    } finally {
      heldUntil = this.history.now();
      await heal();
    }
    this.history.note(`healed: ${kind} ${target}`);
    const healedAt = this.history.now();
    this.suffered.push({ kind, target, beganAt, heldUntil, healedAt });
  }

  private plan({ kind, server: wanted }: Step): Fault {
    const { nodes, servers, doors } = this.cluster;
    const index = this.random.below(nodes.length);
    const at = this.random.pick(CRASHES);
    const node = nodes[index];
    const chosen = this.random.below(servers.length);
    const server = servers[wanted ?? chosen];
    const door = doors[index];
    if (!node || !server || !door) throw new Error('There is nothing to hurt');
    switch (kind) {
      case 'kill node':
        return {
          target: node.address,
          begin: () => {
            signalNode(node, 'SIGKILL');
          },
          heal: () => restartNode(node),
        };
      case 'stop node':
        return {
          target: node.address,
          begin: () => {
            signalNode(node, 'SIGSTOP');
          },
          heal: () => {
            signalNode(node, 'SIGCONT');
          },
        };
      case 'crash server':
        return {
          target: `${server.name} ${at}`,
          begin: async () => {
            const came = await server.crash(at, CRASH_PATIENCE_MS);
            if (!came) this.say('  (killed where it was)');
          },
          heal: () => server.launch(),
        };
      case 'cut database':
        return {
          target: node.address,
          begin: () => {
            door.cut();
          },
          heal: () => {
            door.restore();
          },
        };
      case 'cut clients':
        return {
          target: server.name,
          begin: () => {
            server.cut();
          },
          heal: () => {
            server.restore();
          },
        };
    }
  }
}

export function signalNode(node: NodeSpec, signal: NodeJS.Signals): void {
  const pid = runningPid(node.folder);
  if (pid === undefined) throw new Error(`The node ${node.address} does not run`);
  process.kill(pid, signal);
}

export async function restartNode(node: NodeSpec): Promise<void> {
  const java = findJava();
  await startNode(node, java, await ensureJars(java, () => undefined));
  await waitForLogin(node);
}
