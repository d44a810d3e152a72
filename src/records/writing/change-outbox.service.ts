import { Injectable } from '@nestjs/common';
import type { ChangeEvent, StoredRecord } from '../record';
import { ChangeOutboxRepository, type OutboxRow } from '../store/change-outbox.repository';
import { type RecordKey, RecordsRepository } from '../store/records.repository';
import { NOTED_WITHIN_MS } from './outbox-windows';

/** One that cannot be put into the log must not hold up the others. */
const POSTPONE_MS = 60_000;

/** What the record store has for those who follow its changes. */
@Injectable()
export class ChangeOutbox {
  constructor(
    private readonly outbox: ChangeOutboxRepository,
    private readonly records: RecordsRepository,
  ) {}

  /**
   * Notes the version of a record, and with it all before. Merges are ours alone.
   * Where it fails the intent of the write is still there, and the sweeper notes it.
   */
  async note(record: StoredRecord): Promise<void> {
    const { organizationId, object, id, version, updatedAt } = record;
    if (object === 'merges') return;
    for (let isInTime = false; !isInTime;) {
      // Not by the clock: that may be set meanwhile.
      const began = performance.now();
      await this.outbox.add({ organizationId, object, id, version, at: updatedAt }, Date.now());
      isInTime = performance.now() - began < NOTED_WITHIN_MS;
    }
  }

  /** The first rows of a window, or those behind a row; and whether there may be more. */
  list(
    shard: number,
    window: Date,
    after?: OutboxRow,
  ): Promise<{ rows: OutboxRow[]; more: boolean }> {
    return this.outbox.list(shard, window, after);
  }

  /** The starts (epoch ms) of those windows that have any rows. */
  filled(shard: number, windows: readonly Date[]): Promise<Set<number>> {
    return this.outbox.filled(shard, windows);
  }

  /** How many rows a window has: until it is cleared there are never fewer than before. */
  count(shard: number, window: Date): Promise<number> {
    return this.outbox.count(shard, window);
  }

  /** Forgets a window that is over, and in the log. */
  clear(shard: number, window: Date): Promise<void> {
    return this.outbox.clear(shard, window);
  }

  /** Notes it in a window to come as well. */
  async postpone(rows: readonly OutboxRow[]): Promise<void> {
    for (const row of rows) await this.outbox.add(row, Date.now() + POSTPONE_MS);
  }

  /** The events of a record from a version on, in their order. Those of a purged record are gone. */
  async eventsFrom(key: RecordKey, version: number): Promise<ChangeEvent[]> {
    return (await this.records.listEventsSince(key, version)).reverse();
  }

  /** The events of a record from one moment to another, both included; at most `size`. */
  eventsBetween(key: RecordKey, from: Date, to: Date, size: number): Promise<ChangeEvent[]> {
    return this.records.listEventsBetween(key, from, to, size);
  }

  /** Whether a record still has a history. */
  async isGone(key: RecordKey): Promise<boolean> {
    const record = await this.records.find(key, true);
    return record === undefined || record.state === 'purged' || record.state === 'fenced';
  }
}
