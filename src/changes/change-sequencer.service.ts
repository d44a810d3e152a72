import { Injectable } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { AppError, contended } from '../common/errors';
import { groupBy } from '../common/group-by';
import { inParallel } from '../common/in-parallel';
import { ChangeOutbox } from '../records/writing/change-outbox.service';
import type { Pointer } from './change';
import { ChangeLog } from './change-log.service';
import { ChangeVersionsRepository, nameOf } from './change-versions.repository';
import { ChangeWaiters } from './change-waiters.service';
import type { OutboxRow, SeenWindow } from './seen-window';

const ORGANIZATIONS_AT_ONCE = 8;
const RECORDS_AT_ONCE = 16;
const ATTEMPTS = 5;
/** Organizations whose head is remembered. */
const REMEMBERED = 10_000;

/**
 * Takes committed versions from the outbox into the log of their organization:
 *
 *   versions of the last append noted → what is in the log → append → versions noted → …
 *
 * Can be done any number of times, also by several at once: each version comes into the log once.
 * For whoever appends has noted all before, and is refused if somebody else has appended meanwhile.
 */
@Injectable()
export class ChangeSequencer {
  /** Heads that all versions before are noted of, as far as this process knows. */
  private readonly heads = new Map<string, number>();

  constructor(
    private readonly outbox: ChangeOutbox,
    private readonly log: ChangeLog,
    private readonly versions: ChangeVersionsRepository,
    private readonly waiters: ChangeWaiters,
    private readonly logger: PinoLogger,
  ) {}

  /**
   * Takes everything of some windows that was not seen there before.
   * @throws AppError SERVICE_UNAVAILABLE without the database, CONFLICT beside another sequencer
   */
  async sequence(shard: number, windows: readonly SeenWindow[]): Promise<void> {
    let reading = windows.map((seen) => ({
      seen,
      after: undefined as OutboxRow | undefined,
      count: 0,
    }));
    while (reading.length > 0) {
      const pages = await Promise.all(
        reading.map(async ({ seen, after, count }) => {
          const { rows, more } = await this.outbox.list(shard, seen.start, after);
          const fresh = rows.filter((row) => !seen.has(row));
          return { seen, fresh, more, after: rows.at(-1), count: count + rows.length };
        }),
      );
      await this.sequenceRows(pages.flatMap(({ fresh }) => fresh));
      for (const { seen, fresh, more, count } of pages) {
        seen.add(fresh);
        if (!more) seen.count = count;
      }
      reading = pages.filter(({ more }) => more);
    }
  }

  private async sequenceRows(rows: readonly OutboxRow[]): Promise<void> {
    const byOrganization = groupBy(rows, ({ organizationId }) => organizationId);
    await inParallel(byOrganization, ORGANIZATIONS_AT_ONCE, async ([organizationId, ofOne]) => {
      try {
        await this.sequenceOrganization(organizationId, ofOne);
      } catch (error) {
        if (error instanceof AppError && [409, 503].includes(error.status)) throw error;
        const about = { err: error, organization_id: organizationId };
        this.logger.error(about, 'changes could not be sequenced: later again');
        await this.outbox.postpone(ofOne);
      }
    });
  }

  private async sequenceOrganization(organizationId: string, rows: OutboxRow[]): Promise<void> {
    for (let attempt = 1; !(await this.appendAll(organizationId, rows)); attempt++) {
      if (attempt === ATTEMPTS) throw contended();
    }
    this.waiters.notify(organizationId);
  }

  /** False when somebody else has appended meanwhile: all that was read may be old. */
  private async appendAll(organizationId: string, rows: readonly OutboxRow[]): Promise<boolean> {
    let head = this.heads.get(organizationId) ?? (await this.notedHead(organizationId));
    const records = groupBy(rows, nameOf);
    const firsts = [...records.values()].flatMap(([first]) => first ?? []);
    const known = await this.versions.findMany(organizationId, firsts);
    const found: Pointer[][] = [];
    await inParallel(records, RECORDS_AT_ONCE, async ([name, ofOne]) => {
      found.push(await this.pointersOf(ofOne, known.get(name) ?? 0));
    });
    for (let left = found.flat(); left.length > 0;) {
      const next = await this.log.append(organizationId, head, left);
      if (next === undefined) {
        this.heads.delete(organizationId);
        return false;
      }
      await this.versions.put(organizationId, left.slice(0, next - head));
      this.remember(organizationId, next);
      left = left.slice(next - head);
      head = next;
    }
    return true;
  }

  /**
   * The head, with all versions before it noted. Those of the last append may not be: whoever has
   * made it may have died before. Those before that one are, or it would not have been made.
   */
  private async notedHead(organizationId: string): Promise<number> {
    const head = await this.log.head(organizationId, true);
    const last = await this.log.lastAppended(organizationId, head);
    await this.versions.put(organizationId, last);
    this.remember(organizationId, head);
    return head;
  }

  private remember(organizationId: string, head: number): void {
    if (this.heads.size >= REMEMBERED) this.heads.clear();
    this.heads.set(organizationId, head);
  }

  /** What the log has not of a record, in the order of its versions. */
  private async pointersOf(rows: readonly OutboxRow[], known: number): Promise<Pointer[]> {
    const byVersion = new Map(rows.map((row) => [row.version, row]));
    const wanted = Math.max(...byVersion.keys());
    const pointers: Pointer[] = [];
    for (let version = known + 1; version <= wanted; version++) {
      const row = byVersion.get(version);
      // A row says "up to this version": there may be none of one before, and none has a time that
      // a process of an older release has written.
      if (!row?.at) return this.pointersFrom(rows, known + 1);
      pointers.push({ object: row.object, id: row.id, version, at: row.at });
    }
    return pointers;
  }

  private async pointersFrom([key]: readonly OutboxRow[], version: number): Promise<Pointer[]> {
    if (!key) return [];
    const { object, id } = key;
    const events = await this.outbox.eventsFrom(key, version);
    if (events.length === 0 && !(await this.outbox.isGone(key))) {
      throw new Error(`${object} ${id} has no event of its version ${String(version)}`);
    }
    return events.map((event) => ({ object, id, version: event.version, at: event.at }));
  }
}
