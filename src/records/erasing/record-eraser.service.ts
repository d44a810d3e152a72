import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Eraser, type OwnedData } from '../../organizations/eraser.service';
import { Maintenance } from '../upkeep/maintenance.service';
import { merges } from '../merging/merge';
import { type StoredRecord, undoChanges, type UniqueValue } from '../record';
import { allDefinitions, type RecordDefinition, uniquesOf } from '../record-definition';
import { RecordWriter } from '../writing/record-writer.service';
import { partitionsWithCopies } from '../derive';
import { allBuckets, bucketOf } from '../store/derived-rows';
import { LayoutsRepository } from '../store/layouts.repository';
import { RecordDataRepository } from '../store/record-data.repository';
import { RecordIdsRepository } from '../store/record-ids.repository';

/** Deletes all records of an erased organization, and everything that ever followed from them. */
@Injectable()
export class RecordEraser implements OwnedData, OnModuleInit {
  constructor(
    private readonly eraser: Eraser,
    private readonly data: RecordDataRepository,
    private readonly ids: RecordIdsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly maintenance: Maintenance,
    private readonly writer: RecordWriter,
  ) {}

  onModuleInit(): void {
    this.eraser.eraseFirst(this);
  }

  async erase(organizationId: string): Promise<void> {
    for (const definition of allDefinitions()) {
      await this.eraseObject(organizationId, definition);
    }
    await this.data.eraseLayouts(organizationId);
  }

  /** The ids lead to everything else, and go last. */
  async whatIsLeft(organizationId: string): Promise<string[]> {
    for (const { object } of allDefinitions()) {
      for await (const ids of this.ids.walk(organizationId, object)) {
        if (ids.length > 0) return ['record_ids'];
      }
    }
    return [];
  }

  private async eraseObject(organizationId: string, definition: RecordDefinition): Promise<void> {
    const { object } = definition;
    const { readBuckets, writeBuckets } = await this.layouts.find(organizationId, object);
    const layouts = new Set([readBuckets, ...writeBuckets]);
    const erased = new Set<string>();
    let isEmpty = true;
    for await (const records of this.maintenance.walk(organizationId, definition)) {
      isEmpty = false;
      for (const record of records) {
        await this.eraseDerived(definition, record, layouts, erased);
        for (const unique of await this.everyUnique(definition, record)) {
          await this.data.eraseClaim(organizationId, object, unique);
        }
        if (object === merges.object) await this.data.eraseMergeSteps(organizationId, record.id);
        await this.data.eraseRecord(record);
      }
    }
    if (isEmpty) return;
    // These also where all records are purged, and lead nowhere any more.
    for (const { list, bucket } of partitionsWithCopies(
      definition,
      [...layouts].flatMap(allBuckets),
    )) {
      if (erased.has(`list_rows ${bucket} ${list}`)) continue;
      await this.data.eraseDerived('list_rows', { organizationId, object, list, bucket });
    }
    await this.data.eraseIds(organizationId, object);
  }

  private async eraseDerived(
    definition: RecordDefinition,
    record: StoredRecord,
    layouts: ReadonlySet<number>,
    erased: Set<string>,
  ): Promise<void> {
    const { organizationId, object, id } = record;
    for (const { table, list } of await this.maintenance.everyRow(definition, record)) {
      for (const buckets of layouts) {
        const bucket = bucketOf(id, buckets);
        const name = `${table} ${bucket} ${list}`;
        if (erased.has(name)) continue;
        erased.add(name);
        await this.data.eraseDerived(table, { organizationId, object, list, bucket });
      }
    }
  }

  /** Every unique value that a record has, or had in any of its versions. */
  private async everyUnique(
    definition: RecordDefinition,
    record: StoredRecord,
  ): Promise<UniqueValue[]> {
    if (record.state === 'purged') return [];
    const found = new Map<string, UniqueValue>();
    let { data } = record;
    for (const event of await this.writer.eventsSince(record, 0)) {
      const customKeys = Object.keys(data.custom);
      for (const unique of uniquesOf(definition, { state: 'live', data }, customKeys)) {
        found.set(`${unique.field} ${unique.value}`, unique);
      }
      if (event.version > 1) data = undoChanges(data, event.changes);
    }
    return [...found.values()];
  }
}
