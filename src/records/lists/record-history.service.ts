import { Injectable } from '@nestjs/common';
import { mayBeRepeated } from '../../common/operation';
import type { StoredRecord } from '../record';
import { definitionOf } from '../record-definition';
import { RecordWriter } from '../writing/record-writer.service';
import { RecordsRepository } from '../store/records.repository';

/** Events that are looked through for the mark of a write that may have been done already. */
const REPLAY_EVENTS = 100;
/** Events that are looked through to tell what has changed since a version. */
const CHANGED_EVENTS = 100;
const LATEST = new Date(8.64e15);

/** What the history of a record says of writes that were made, or may have been. */
@Injectable()
export class RecordHistory {
  constructor(
    private readonly records: RecordsRepository,
    private readonly writer: RecordWriter,
  ) {}

  /**
   * The record, with all that follows from it, if another attempt of the same request has written it
   * already: one before this one, or one that has overtaken it.
   */
  async doneBefore(
    record: StoredRecord | undefined,
    operationId: string,
  ): Promise<StoredRecord | undefined> {
    if (!record || record.state === 'fenced' || !mayBeRepeated(record.updatedAt)) return undefined;
    const events = await this.records.listEvents(record, LATEST, REPLAY_EVENTS);
    const event = events.find((one) => one.operationId === operationId);
    if (!event) return undefined;
    await this.writer.settle(definitionOf(record.object), record, event.version - 1);
    return record;
  }

  /** The fields that have changed since a version, as far as the last hundred versions tell. */
  async changedSince(record: StoredRecord, version: number): Promise<string[]> {
    const events = await this.records.listEvents(record, LATEST, CHANGED_EVENTS);
    const since = events.filter((event) => event.version > version);
    return [...new Set(since.flatMap((event) => Object.keys(event.changes)))].sort();
  }
}
