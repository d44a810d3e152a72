import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker, ShardWorkers } from '../../cassandra/background-worker';
import { CassandraService } from '../../cassandra/cassandra.service';
import type { Lease } from '../../cassandra/lease';
import type { AppConfig } from '../../config/app-config';
import { IntentFinisher } from './intent-finisher.service';
import {
  SHARDS,
  WINDOW_MS,
  windowOf,
  WriteIntentsRepository,
} from '../store/write-intents.repository';

const ROUND_MS = 5000;
/** Windows of one round: after a long stop the sweeper catches up without giving up its lease. */
const WINDOWS_AT_ONCE = 500;
/** Where nobody has swept before, there may have been writes before the first sweeper came. */
const FIRST_SWEEP_MS = 3_600_000;

/**
 * Finishes what writes have left undone, window by window of time: whatever is still noted in a
 * window after the longest request has ended was cut off.
 */
class ShardSweeper extends BackgroundWorker {
  private next: Date | undefined;

  constructor(
    private readonly shard: number,
    private readonly graceMs: number,
    private readonly intents: WriteIntentsRepository,
    private readonly finisher: IntentFinisher,
    enabled: boolean,
    cassandra: CassandraService,
    logger: PinoLogger,
  ) {
    super(`sweep-${String(shard)}`, enabled, ROUND_MS, cassandra, logger);
  }

  protected async round(lease: Lease, first: boolean): Promise<void> {
    if (first || !this.next) {
      this.next =
        (await this.intents.sweptUntil(this.shard)) ??
        windowOf(new Date(Date.now() - FIRST_SWEEP_MS));
      await this.intents.setSweptUntil(this.shard, this.next);
    }
    const due = windowOf(new Date(Date.now() - this.graceMs));
    for (let swept = 0; this.next < due && swept < WINDOWS_AT_ONCE; swept++) {
      if (this.stopping.signal.aborted) return;
      lease.check();
      await this.finisher.finishWindow(this.shard, this.next);
      this.next = new Date(this.next.getTime() + WINDOW_MS);
      await this.intents.setSweptUntil(this.shard, this.next);
    }
  }
}

/** The sweepers of all shards: each is held by one process at a time. */
@Injectable()
export class Sweeper extends ShardWorkers<ShardSweeper> {
  constructor(
    intents: WriteIntentsRepository,
    finisher: IntentFinisher,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const enabled = config.get('workers', { infer: true });
    // Requests that began before the window ended have ended after this, with their own retries.
    const graceMs = WINDOW_MS + 2 * config.get('http', { infer: true }).requestTimeoutMs;
    super(
      SHARDS,
      (shard) => new ShardSweeper(shard, graceMs, intents, finisher, enabled, cassandra, logger),
    );
  }
}
