import { Injectable } from '@nestjs/common';
import type { ChangeEvent, StoredRecord } from '../record';
import { RecordIdsRepository } from '../store/record-ids.repository';
import { inChunks } from '../../common/in-chunks';
import { type RecordKey, RecordsRepository } from '../store/records.repository';

/** Records that are in memory at a time: each may have as much as the body of a request. */
const RECORDS_AT_ONCE = 100;
/** Records whose events are read by one statement, and how many of each by that one. */
const STORIES_AT_ONCE = 50;
const EVENTS_EACH = 20;
/** Events of a record with more than that, by one statement. */
const EVENTS_AT_ONCE = 100;
/** After every event. */
const LATEST = new Date(8.64e15);

/** A version, and whose. */
export interface RecordEvent {
  recordId: string;
  event: ChangeEvent;
}

/** All records of an organization and their whole histories, in parts that fit into memory. */
@Injectable()
export class RecordWalks {
  constructor(
    private readonly ids: RecordIdsRepository,
    private readonly records: RecordsRepository,
  ) {}

  /** The records of an object in whatever state, each as it is when its part is read; in no order. */
  async *all(organizationId: string, object: string): AsyncGenerator<StoredRecord[]> {
    for await (const ids of this.some(organizationId, object, RECORDS_AT_ONCE)) {
      const found = await this.records.findMany(organizationId, object, ids);
      yield [...found.values()].filter(({ state }) => state !== 'fenced');
    }
  }

  /** The events of all records of an object: those of a record together, newest first. */
  async *events(organizationId: string, object: string): AsyncGenerator<RecordEvent[]> {
    for await (const ids of this.some(organizationId, object, STORIES_AT_ONCE)) {
      const latest = await this.records.listLatestEvents(organizationId, object, ids, EVENTS_EACH);
      let part: RecordEvent[] = [];
      for (const [recordId, events] of latest) {
        part.push(...events.map((event) => ({ recordId, event })));
        if (events.length < EVENTS_EACH) continue;
        yield part;
        part = [];
        const key = { organizationId, object, id: recordId };
        for await (const page of this.history(key, events.at(-1)?.at)) {
          yield page.map((event) => ({ recordId, event }));
        }
      }
      if (part.length > 0) yield part;
    }
  }

  /** The events of a record, or those before a moment, newest first. */
  async *history(key: RecordKey, before: Date = LATEST): AsyncGenerator<ChangeEvent[]> {
    for (let from: Date | undefined = before; from !== undefined;) {
      const page: ChangeEvent[] = await this.records.listEvents(key, from, EVENTS_AT_ONCE);
      yield page;
      from = page.length < EVENTS_AT_ONCE ? undefined : page.at(-1)?.at;
    }
  }

  private async *some(
    organizationId: string,
    object: string,
    atOnce: number,
  ): AsyncGenerator<string[]> {
    for await (const ids of this.ids.walk(organizationId, object)) {
      yield* inChunks(ids, atOnce);
    }
  }
}
