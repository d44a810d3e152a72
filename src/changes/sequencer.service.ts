import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker } from '../cassandra/background-worker';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import type { AppConfig } from '../config/app-config';
import { OUTBOX_SHARDS, OUTBOX_WINDOW_MS, outboxWindowOf } from '../records/writing/outbox-windows';
import { ChangeSequencer } from './change-sequencer.service';
import { ChangeVersionsRepository } from './change-versions.repository';

const ROUND_MS = 400;
/** How often windows are looked at that are not the latest: for what was noted late. */
const FULL_ROUND_MS = 2000;
/** Windows of one look: after a long stop the sequencer catches up without giving up its lease. */
const WINDOWS_AT_ONCE = 64;
/** Where nobody has sequenced before, there may have been writes before the first one came. */
const FIRST_LOOK_MS = 3_600_000;

class ShardSequencer extends BackgroundWorker {
  /** The oldest window that somebody may still note something in, or that was not looked at. */
  private next = new Date(0);
  private fullRoundAt = 0;

  constructor(
    private readonly shard: number,
    private readonly graceMs: number,
    private readonly sequencer: ChangeSequencer,
    private readonly versions: ChangeVersionsRepository,
    enabled: boolean,
    cassandra: CassandraService,
    logger: PinoLogger,
  ) {
    super(`sequence-${String(shard)}`, enabled, ROUND_MS, cassandra, logger);
  }

  protected async round(lease: Lease, first: boolean): Promise<void> {
    const now = Date.now();
    if (first) {
      this.next =
        (await this.versions.sequencedUntil(this.shard)) ?? outboxWindowOf(now - FIRST_LOOK_MS);
      await this.versions.setSequencedUntil(this.shard, this.next);
    }
    const isFull = first || now - this.fullRoundAt >= FULL_ROUND_MS;
    const latest = outboxWindowOf(now - OUTBOX_WINDOW_MS).getTime();
    const from = isFull ? this.next.getTime() : Math.max(latest, this.next.getTime());
    // A clock that is a little ahead of ours notes in the window to come.
    for (let at = from; at <= now + OUTBOX_WINDOW_MS; at += WINDOWS_AT_ONCE * OUTBOX_WINDOW_MS) {
      if (this.stopping.signal.aborted) return;
      lease.check();
      const windows = Array.from(
        { length: WINDOWS_AT_ONCE },
        (_, index) => new Date(at + index * OUTBOX_WINDOW_MS),
      ).filter((window) => window.getTime() <= now + OUTBOX_WINDOW_MS);
      await this.sequencer.sequence(this.shard, windows);
      if (isFull) await this.moveOn(windows.at(-1), now);
    }
    if (isFull) this.fullRoundAt = now;
  }

  /** Leaves behind what was looked at when nobody could note anything there any more. */
  private async moveOn(seen: Date | undefined, now: number): Promise<void> {
    const due = outboxWindowOf(now - this.graceMs).getTime();
    const next = Math.min(due, (seen?.getTime() ?? 0) + OUTBOX_WINDOW_MS);
    if (next <= this.next.getTime()) return;
    this.next = new Date(next);
    await this.versions.setSequencedUntil(this.shard, this.next);
  }
}

/** The sequencers of all shards: each is held by one process at a time. */
@Injectable()
export class Sequencer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly shards: ShardSequencer[];

  constructor(
    sequencer: ChangeSequencer,
    versions: ChangeVersionsRepository,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const enabled = config.get('workers', { infer: true });
    // As the sweeper's: requests that began before a window ended have ended after this.
    const graceMs = 30_000 + 2 * config.get('http', { infer: true }).requestTimeoutMs;
    this.shards = Array.from(
      { length: OUTBOX_SHARDS },
      (_, shard) =>
        new ShardSequencer(shard, graceMs, sequencer, versions, enabled, cassandra, logger),
    );
  }

  onApplicationBootstrap(): void {
    for (const shard of this.shards) shard.onApplicationBootstrap();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.onApplicationShutdown()));
  }
}
