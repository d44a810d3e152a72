import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker, ShardWorkers } from '../cassandra/background-worker';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import { inChunks } from '../common/in-chunks';
import { inParallel } from '../common/in-parallel';
import type { AppConfig } from '../config/app-config';
import { ChangeOutbox } from '../records/writing/change-outbox.service';
import {
  NOTED_WITHIN_MS,
  OUTBOX_GRACE_MS,
  OUTBOX_SHARDS,
  OUTBOX_WINDOW_MS,
  outboxWindowOf,
} from '../records/writing/outbox-windows';
import { ChangeSequencer } from './change-sequencer.service';
import { ChangeVersionsRepository } from './change-versions.repository';
import { SeenWindow, windowsBetween } from './seen-window';

const ROUND_MS = 400;
/** How often windows are looked at that are not the latest: for what was noted late. */
const FULL_ROUND_MS = 2000;
/** Windows of one look: a lease is checked before each, and what one reads is in memory. */
const WINDOWS_AT_ONCE = 16;
/** After a stop of days there are more windows than one wants in memory. */
const CLOSED_AT_ONCE_MS = 600_000;
/** Before the first process of all: another one may have begun to write when this one begins to look. */
const FIRST_LOOK_MS = 600_000;

/**
 * Looks at the windows of a shard: at the latest ones all the time; at those that a slow note may
 * still come to, now and then; and at each a last time when nothing can come to it any more.
 */
class ShardSequencer extends BackgroundWorker {
  /** The oldest window that somebody may still note something in, or that was not looked at. */
  private next = 0;
  private fullRoundAt = 0;
  private readonly seen = new Map<number, SeenWindow>();

  constructor(
    private readonly shard: number,
    private readonly sequencer: ChangeSequencer,
    private readonly outbox: ChangeOutbox,
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
      const until = await this.versions.sequencedUntil(this.shard);
      this.next = (until ?? outboxWindowOf(now - FIRST_LOOK_MS)).getTime();
      // Another process has closed those meanwhile.
      for (const start of this.seen.keys()) if (start < this.next) this.seen.delete(start);
    }
    const isFull = first || now - this.fullRoundAt >= FULL_ROUND_MS;
    const end = outboxWindowOf(now - OUTBOX_GRACE_MS).getTime();
    while (isFull && this.next < end) {
      if (this.stopping.signal.aborted) return;
      await this.closeUntil(Math.min(end, this.next + CLOSED_AT_ONCE_MS), lease);
    }
    // A note that took longer is in a later window, too. What a clock that is behind puts into a
    // window before these is found at the last look at it.
    const age = isFull ? NOTED_WITHIN_MS + OUTBOX_WINDOW_MS : OUTBOX_WINDOW_MS;
    const from = first ? this.next : Math.max(this.next, now - age);
    // A clock that is a little ahead of ours notes in the window to come.
    const windows = windowsBetween(from, now + OUTBOX_WINDOW_MS);
    await this.lookAt(windows, lease, () => Promise.resolve());
    if (isFull) this.fullRoundAt = now;
  }

  /** Leaves behind the windows that nobody can note anything in any more. */
  private async closeUntil(end: number, lease: Lease): Promise<void> {
    const windows = windowsBetween(this.next, end - OUTBOX_WINDOW_MS);
    await this.lookAt(windows, lease, async (some) => {
      await inParallel(some, WINDOWS_AT_ONCE, async (window) => {
        if (window.count !== 0) await this.outbox.clear(this.shard, window.start);
      });
      for (const { start } of some) this.seen.delete(start.getTime());
      this.next = (some.at(-1)?.start.getTime() ?? this.next) + OUTBOX_WINDOW_MS;
      await this.versions.setSequencedUntil(this.shard, new Date(this.next));
    });
  }

  private async lookAt(
    starts: readonly Date[],
    lease: Lease,
    done: (windows: readonly SeenWindow[]) => Promise<void>,
  ): Promise<void> {
    for (const some of inChunks(starts, WINDOWS_AT_ONCE)) {
      if (this.stopping.signal.aborted) return;
      lease.check();
      const windows = some.map((start) => this.seenOf(start));
      await this.sequencer.sequence(this.shard, await this.changed(windows));
      await done(windows);
    }
  }

  /**
   * Those that may have something new. Mostly none has anything at all, which one statement tells; the
   * latest has, if it has anything.
   */
  private async changed(windows: readonly SeenWindow[]): Promise<SeenWindow[]> {
    const starts = windows.map(({ start }) => start);
    const filled = await this.outbox.filled(this.shard, starts);
    const latest = Date.now() - OUTBOX_WINDOW_MS;
    const changed = await Promise.all(
      windows.map(async (window) => {
        const start = window.start.getTime();
        if (!filled.has(start)) return [];
        if (window.count === 0 || start > latest) return [window];
        const count = await this.outbox.count(this.shard, window.start);
        if (count !== window.count) return [window];
        window.forgetRows();
        return [];
      }),
    );
    return changed.flat();
  }

  private seenOf(start: Date): SeenWindow {
    const known = this.seen.get(start.getTime());
    if (known) return known;
    const window = new SeenWindow(start);
    this.seen.set(start.getTime(), window);
    return window;
  }
}

/** The sequencers of all shards: each is held by one process at a time. */
@Injectable()
export class Sequencer extends ShardWorkers<ShardSequencer> {
  constructor(
    sequencer: ChangeSequencer,
    outbox: ChangeOutbox,
    private readonly versions: ChangeVersionsRepository,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const enabled = config.get('workers', { infer: true });
    super(
      OUTBOX_SHARDS,
      (shard) => new ShardSequencer(shard, sequencer, outbox, versions, enabled, cassandra, logger),
    );
  }

  /** Also where nobody works: whoever is the first to do it has to know where to begin. */
  override async onApplicationBootstrap(): Promise<void> {
    const before = outboxWindowOf(Date.now() - FIRST_LOOK_MS);
    await Promise.all(
      this.workers.map(async (_, shard) => {
        const until = await this.versions.sequencedUntil(shard);
        if (until === undefined) await this.versions.setSequencedUntil(shard, before);
      }),
    );
    await super.onApplicationBootstrap();
  }
}
