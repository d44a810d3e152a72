import { Injectable } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { AppError, contended } from '../common/errors';
import { groupBy } from '../common/group-by';
import { inParallel } from '../common/in-parallel';
import { ChangeOutbox } from '../records/writing/change-outbox.service';
import type { Pointer } from './change';
import { ChangeLog } from './change-log.service';
import { ChangeVersionsRepository } from './change-versions.repository';
import { ChangeWaiters } from './change-waiters.service';

const ORGANIZATIONS_AT_ONCE = 8;
const RECORDS_AT_ONCE = 16;
const ATTEMPTS = 5;

type OutboxRow = Awaited<ReturnType<ChangeOutbox['list']>>['rows'][number];

/**
 * Moves committed versions from the outbox into the log of their organization:
 *
 *   what is in the log → append → versions noted → outbox rows removed
 *
 * Can be done any number of times, also by several at once: each version comes into the log once.
 */
@Injectable()
export class ChangeSequencer {
  constructor(
    private readonly outbox: ChangeOutbox,
    private readonly log: ChangeLog,
    private readonly versions: ChangeVersionsRepository,
    private readonly waiters: ChangeWaiters,
    private readonly logger: PinoLogger,
  ) {}

  /**
   * Moves everything of some windows.
   * @throws AppError SERVICE_UNAVAILABLE without the database, CONFLICT beside another sequencer
   */
  async sequence(shard: number, windows: readonly Date[]): Promise<void> {
    for (let more = true; more;) {
      const found = await this.outbox.list(shard, windows);
      ({ more } = found);
      const byOrganization = groupBy(found.rows, ({ organizationId }) => organizationId);
      await inParallel(byOrganization, ORGANIZATIONS_AT_ONCE, async ([organizationId, rows]) => {
        try {
          await this.sequenceOrganization(organizationId, rows);
        } catch (error) {
          if (error instanceof AppError && [409, 503].includes(error.status)) throw error;
          const about = { err: error, organization_id: organizationId };
          this.logger.error(about, 'changes could not be sequenced: later again');
          await this.outbox.postpone(rows);
        }
      });
    }
  }

  private async sequenceOrganization(organizationId: string, rows: OutboxRow[]): Promise<void> {
    for (let attempt = 1; !(await this.appendAll(organizationId, rows)); attempt++) {
      if (attempt === ATTEMPTS) throw contended();
    }
    await this.outbox.remove(rows);
    this.waiters.notify(organizationId);
  }

  /** False when the log has got longer meanwhile: all that was read of it may be old. */
  private async appendAll(organizationId: string, rows: readonly OutboxRow[]): Promise<boolean> {
    let head = await this.log.head(organizationId, true);
    const found: Pointer[][] = [];
    const noted: { object: string; id: string; version: number }[] = [];
    const records = groupBy(rows, ({ object, id }) => `${object} ${id}`).values();
    await inParallel(records, RECORDS_AT_ONCE, async (ofOne) => {
      const [first] = ofOne;
      if (!first) return;
      const { object, id } = first;
      const wanted = Math.max(...ofOne.map(({ version }) => version));
      const [known, appended] = await Promise.all([
        this.versions.find(organizationId, object, id),
        this.log.lastAppended(organizationId, head, object, id),
      ]);
      if (appended > known) noted.push({ object, id, version: appended });
      const last = Math.max(known, appended);
      if (last < wanted) found.push(await this.pointersFrom(organizationId, object, id, last + 1));
    });
    // One before this one has died between its append and this.
    await this.versions.put(organizationId, noted);
    for (let left = found.flat(); left.length > 0;) {
      const next = await this.log.append(organizationId, head, left);
      if (next === undefined) return false;
      await this.versions.put(organizationId, left.slice(0, next - head));
      left = left.slice(next - head);
      head = next;
    }
    return true;
  }

  private async pointersFrom(
    organizationId: string,
    object: string,
    id: string,
    version: number,
  ): Promise<Pointer[]> {
    const key = { organizationId, object, id };
    const events = await this.outbox.eventsFrom(key, version);
    if (events.length === 0 && !(await this.outbox.isGone(key))) {
      throw new Error(`${object} ${id} has no event of its version ${String(version)}`);
    }
    return events.map((event) => ({ object, id, version: event.version, at: event.at }));
  }
}
