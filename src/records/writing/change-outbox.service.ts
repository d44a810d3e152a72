import { Injectable } from '@nestjs/common';
import type { ChangeEvent, StoredRecord } from '../record';
import { ChangeOutboxRepository, type OutboxRow } from '../store/change-outbox.repository';
import { type RecordKey, RecordsRepository } from '../store/records.repository';

/** One that took longer may have come to a window that nobody looks at any more. */
const NOTED_WITHIN_MS = 20_000;
/** One that cannot be put into the log must not hold up the others. */
const POSTPONE_MS = 60_000;
const EVENTS_AT_ONCE = 100;

/** What the record store has for those who follow its changes. */
@Injectable()
export class ChangeOutbox {
  constructor(
    private readonly outbox: ChangeOutboxRepository,
    private readonly records: RecordsRepository,
  ) {}

  /** Notes the version of a record, and with it all before. Merges are ours alone. */
  async note(record: StoredRecord): Promise<void> {
    if (record.object === 'merges') return;
    for (;;) {
      const startedAt = Date.now();
      await this.outbox.add(record, record.version, startedAt);
      if (Date.now() - startedAt < NOTED_WITHIN_MS) return;
    }
  }

  /** What is noted in some windows, and whether there is more than that. */
  list(shard: number, windows: readonly Date[]): Promise<{ rows: OutboxRow[]; more: boolean }> {
    return this.outbox.list(shard, windows);
  }

  /** Forgets what is in the log. */
  remove(rows: readonly OutboxRow[]): Promise<void> {
    return this.outbox.remove(rows);
  }

  /** Notes it in a window to come instead. */
  async postpone(rows: readonly OutboxRow[]): Promise<void> {
    for (const row of rows) await this.outbox.add(row, row.version, Date.now() + POSTPONE_MS);
    await this.outbox.remove(rows);
  }

  /** The events of a record from a version on, in their order. Those of a purged record are gone. */
  async eventsFrom(key: RecordKey, version: number): Promise<ChangeEvent[]> {
    const events: ChangeEvent[] = [];
    for (let before = new Date(8.64e15); ;) {
      const page = await this.records.listEvents(key, before, EVENTS_AT_ONCE);
      events.push(...page.filter((event) => event.version >= version));
      const last = page.at(-1);
      if (!last || last.version <= version || page.length < EVENTS_AT_ONCE) return events.reverse();
      before = last.at;
    }
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
