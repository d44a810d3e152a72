import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { PinoLogger } from 'nestjs-pino';
import { workerFailures, workerLease, workerRounds } from '../telemetry/metrics';
import type { CassandraService } from './cassandra.service';
import { type Lease, LeaseLostError } from './lease';

/** How soon another process takes over where the working one has gone, beside the lease's own time. */
const CLAIM_EVERY_MS = 5000;

/**
 * Work that one process of all does, in rounds. Whoever holds the lease does it; the others look
 * every few seconds whether it is free.
 */
export abstract class BackgroundWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  protected readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private wakeUp: () => void = () => undefined;

  protected constructor(
    private readonly name: string,
    private readonly enabled: boolean,
    private readonly roundEveryMs: number,
    protected readonly cassandra: CassandraService,
    protected readonly logger: PinoLogger,
  ) {}

  /** One look at what there is to do. `first` after the lease was taken. */
  protected abstract round(lease: Lease, first: boolean): Promise<void>;

  onApplicationBootstrap(): void {
    if (!this.enabled) return;
    // A worker that has never failed nor worked is to be seen, too.
    workerRounds.inc({ worker: this.name }, 0);
    workerFailures.inc({ worker: this.name }, 0);
    workerLease.set({ worker: this.name }, 0);
    this.running = this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    this.wakeUp();
    await this.running;
  }

  /** There is something to do: do not wait for the next round. */
  wake(): void {
    this.wakeUp();
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.cassandra.underLease(this.name, async (lease) => {
          workerLease.set({ worker: this.name }, 1);
          for (let first = true; !this.stopping.signal.aborted; first = false) {
            lease.check();
            await this.round(lease, first);
            workerRounds.inc({ worker: this.name });
            await this.pause(this.roundEveryMs);
          }
        });
      } catch (error) {
        // Held by another process, lost, or no database: try again in a while.
        this.logger.debug({ err: error, worker: this.name }, 'not working in the background');
        if (!(error instanceof LeaseLostError)) workerFailures.inc({ worker: this.name });
      }
      workerLease.set({ worker: this.name }, 0);
      await this.pause(CLAIM_EVERY_MS);
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    if (this.stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** One worker for each shard of some work: they begin and end together. */
export abstract class ShardWorkers<W extends BackgroundWorker>
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  protected readonly workers: readonly W[];

  protected constructor(shards: number, workerOf: (shard: number) => W) {
    this.workers = Array.from({ length: shards }, (_, shard) => workerOf(shard));
  }

  onApplicationBootstrap(): Promise<void> | void {
    for (const worker of this.workers) worker.onApplicationBootstrap();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.onApplicationShutdown()));
  }
}
