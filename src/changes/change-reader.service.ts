import { Injectable } from '@nestjs/common';
import { groupBy } from '../common/group-by';
import { inParallel } from '../common/in-parallel';
import { ChangeOutbox } from '../records/writing/change-outbox.service';
import type { ChangeEvent } from '../records/record';
import type { Change, PlacedPointer } from './change';
import { ChangeLog } from './change-log.service';

const RECORDS_AT_ONCE = 16;

/** Changes by their position, with what happened. */
@Injectable()
export class ChangeReader {
  constructor(
    private readonly log: ChangeLog,
    private readonly outbox: ChangeOutbox,
  ) {}

  /** The first free position. */
  head(organizationId: string): Promise<number> {
    return this.log.head(organizationId);
  }

  /**
   * At most `size` changes from a position on, and where to go on: the same position where there is
   * nothing yet. What is no longer kept is passed over.
   */
  async read(
    organizationId: string,
    position: number,
    size: number,
  ): Promise<{ changes: Change[]; next: number }> {
    const pointers = await this.log.read(organizationId, position, size);
    if (pointers === undefined) {
      const oldest = await this.log.oldest(organizationId);
      return { changes: [], next: Math.max(oldest, position) };
    }
    const next = (pointers.at(-1)?.position ?? position - 1) + 1;
    return { changes: await this.withEvents(organizationId, pointers), next };
  }

  /** Without those whose record has been purged since: their data is gone. */
  async withEvents(organizationId: string, pointers: readonly PlacedPointer[]): Promise<Change[]> {
    const events = new Map<string, ChangeEvent>();
    const byRecord = groupBy(pointers, ({ object, id }) => `${object} ${id}`);
    await inParallel(byRecord, RECORDS_AT_ONCE, async ([name, ofOne]) => {
      const [first, last] = [ofOne[0], ofOne.at(-1)];
      if (!first || !last) return;
      const key = { organizationId, object: first.object, id: first.id };
      const size = last.version - first.version + 1;
      const found = await this.outbox.eventsBetween(key, first.at, last.at, size);
      for (const event of found) events.set(`${name} ${String(event.version)}`, event);
    });
    return pointers.flatMap((pointer) => {
      const event = events.get(`${pointer.object} ${pointer.id} ${String(pointer.version)}`);
      return event ? [{ ...pointer, event }] : [];
    });
  }
}
