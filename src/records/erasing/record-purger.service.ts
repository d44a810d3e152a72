import { Injectable } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import type { Actor, Draft, RecordData, StoredRecord } from '../record';
import { definitionOf, ownersOf } from '../record-definition';
import { RecordWriter } from '../writing/record-writer.service';
import { type RecordKey, RecordsRepository } from '../store/records.repository';

/** What a purged record still has: nothing, but the ids of those that have to go with it. */
const NOTHING: RecordData = { owner_id: null, tags: [], custom: {}, external_ids: {} };

/** Deletes the data of records for good, and their history. Each step can be done again. */
@Injectable()
export class RecordPurger {
  constructor(
    private readonly records: RecordsRepository,
    private readonly writer: RecordWriter,
  ) {}

  /** Deletes the data of a record as it was found. False: somebody has written since. */
  async purge(record: StoredRecord, actor: Actor = { userId: record.updatedBy }): Promise<boolean> {
    const definition = definitionOf(record.object);
    // As long as there is a history to tell what may have been left behind.
    await this.writer.settle(definition, record, 0);
    const { merged_ids } = record.data;
    const data = { ...NOTHING, merged_ids, purged_owners: ownersOf(definition, record.data) };
    const draft: Draft = { state: 'purged', data, kind: 'purged' };
    const operationId = timeOrderedId();
    const purged = await this.writer.write(definition, actor, record, record, draft, operationId);
    return purged !== undefined;
  }

  /** Deletes the history of a record that is purged, and of no other. */
  async forgetHistory(key: RecordKey): Promise<void> {
    const record = await this.records.find(key, true);
    if (record?.state === 'purged') await this.records.removeEvents(key, record.updatedAt);
  }
}
