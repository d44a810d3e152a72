// The process of replay.mts, as bare.mts sees it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client } from './client.mts';
import type { Message, Order, Outcome } from './replay.mts';
import { run } from './seeded.mts';
import { PROJECT } from './server.mts';

/** Sends what was recorded into a keyspace of its own, without a server or as a plain one. */
export class Replayer {
  readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.ended = once(child, 'exit');
  }

  static async start(keyspace: string): Promise<Replayer> {
    const env = { ...process.env, CASSANDRA_KEYSPACE: keyspace };
    const migrated = await run(['dist/cli/migrate.js'], { CASSANDRA_KEYSPACE: keyspace });
    if (migrated.code !== 0) throw new Error(migrated.output);
    const replayer = new Replayer(fork(join(PROJECT, 'bench', 'replay.mts'), { env }));
    await replayer.answer();
    return replayer;
  }

  async prepare(order: Order): Promise<void> {
    await this.ask({ prepare: order });
  }

  /** Sends what was prepared. @throws Error where anything came out otherwise than when it was recorded */
  async go(): Promise<Outcome> {
    return checked((await this.ask('go')) as Outcome);
  }

  /** From now on each request is answered when the next of what was prepared has been sent. */
  async serve(connections: number): Promise<Client> {
    const port = (await this.ask('serve')) as number;
    return new Client(`http://127.0.0.1:${String(port)}`, connections);
  }

  /** What came of the requests. @throws Error as `go` does */
  async outcome(): Promise<Outcome> {
    return checked((await this.ask('outcome')) as Outcome);
  }

  async stop(): Promise<void> {
    this.child.disconnect();
    await this.ended;
  }

  private async ask(message: Message): Promise<unknown> {
    this.child.send(message);
    return this.answer();
  }

  private async answer(): Promise<unknown> {
    const answered = once(this.child, 'message') as Promise<unknown[]>;
    const [message] = await Promise.race([answered, this.ended.then(() => [])]);
    if (message === undefined) throw new Error('The process that sends statements has ended');
    return message;
  }
}

function checked(outcome: Outcome): Outcome {
  const { applied, failed } = outcome;
  if (failed.length > 0) throw new Error(`Statements failed: ${failed.slice(0, 5).join('\n')}`);
  if (applied.recorded !== applied.replayed) {
    throw new Error(`Other conditional writes were applied: ${JSON.stringify(applied)}`);
  }
  return outcome;
}
