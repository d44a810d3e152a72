import { Injectable } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import { contended } from '../../common/errors';
import { backOff } from '../back-off';
import { inParallel } from '../../common/in-parallel';
import { FieldsService } from '../../fields/fields.service';
import { Maintenance } from '../upkeep/maintenance.service';
import type { Actor, Draft, StoredRecord } from '../record';
import { allDefinitions, definitionOf, type RecordDefinition } from '../record-definition';
import { RecordPurger } from './record-purger.service';
import { RecordUpdater } from '../writing/record-updater.service';
import { RecordWriter } from '../writing/record-writer.service';
import { referencesOf, withoutReference } from '../references';
import { ALL, listName, referenceScope } from '../scopes';
import { bucketOf, type DerivedRow } from '../store/derived-rows';
import { DerivedRowsRepository } from '../store/derived-rows.repository';
import type { ListPosition } from '../store/list-order';
import { LayoutsRepository } from '../store/layouts.repository';
import { type RecordKey, RecordsRepository } from '../store/records.repository';
import { newIntent, WriteIntentsRepository } from '../store/write-intents.repository';

const ATTEMPTS = 12;
const AT_ONCE = 8;
const PAGE = 200;
const HIGHEST = '\u{10FFFF}';

/** How much of what an erasure has removed. */
export interface Erased {
  /** The record, those merged into it, and what was about them alone. */
  records: number;
  events: number;
  list_rows: number;
  total_rows: number;
  /** Records that referred to it, and do not any more. */
  references: number;
}

interface Removal {
  erased: Erased;
  /** What must not be there any more at the end. */
  gone: { record: StoredRecord; rows: DerivedRow[] }[];
}

/**
 * Deletes a record at once and for good, in whatever state it is: its data, its history and its
 * derived rows, those of the records merged into it and of what is about them alone. Whatever else
 * refers to them does not any more. Each step can be done again; the sweeper goes on where it was
 * cut off, and looks once more for what was just being written.
 */
@Injectable()
export class RecordErasure {
  constructor(
    private readonly records: RecordsRepository,
    private readonly intents: WriteIntentsRepository,
    private readonly purger: RecordPurger,
    private readonly updater: RecordUpdater,
    private readonly writer: RecordWriter,
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly maintenance: Maintenance,
    private readonly fields: FieldsService,
  ) {}

  /** Notes the erasure first: from then on it comes to pass, whatever happens here. */
  async begin(actor: Actor, key: RecordKey): Promise<Erased> {
    await this.note(actor, key);
    return this.run(actor, key);
  }

  private async note(actor: Actor, key: RecordKey): Promise<void> {
    const { userId, apiKeyId } = actor;
    const detail = JSON.stringify({ userId, apiKeyId });
    await this.intents.add({ ...newIntent(key), kind: 'erase', detail });
  }

  /** @throws Error where something is still there afterwards */
  async run(actor: Actor, key: RecordKey): Promise<Erased> {
    const removal: Removal = {
      erased: { records: 0, events: 0, list_rows: 0, total_rows: 0, references: 0 },
      gone: [],
    };
    const ids = await this.purgeWhole(actor, key, removal);
    for (const id of ids) await this.unlink(actor, { ...key, id }, ids, removal);
    for (const definition of allDefinitions()) {
      const isAboutIt = definition.references?.some(({ object }) => object === key.object);
      if (isAboutIt && definition.isOnlyAbout)
        await this.purgeDeleted(actor, key, definition, ids, removal);
    }
    await this.check(removal);
    return removal.erased;
  }

  /** A record and all that were merged into it. @returns their ids */
  private async purgeWhole(
    actor: Actor,
    key: RecordKey,
    removal: Removal,
  ): Promise<ReadonlySet<string>> {
    const record = await this.purgeOne(actor, key, removal);
    await this.purger.forgetHistory(key);
    const merged = record?.data.merged_ids ?? [];
    for (const id of merged) {
      const loser = await this.records.find({ ...key, id }, true);
      if (loser?.state === 'merged') await this.purgeOne(actor, loser, removal);
      await this.purger.forgetHistory({ ...key, id });
    }
    return new Set([key.id, ...merged]);
  }

  /** Noted for itself: half way it may be in no list any more in which it could be found again. */
  private async eraseAlong(actor: Actor, key: RecordKey, removal: Removal): Promise<void> {
    await this.note(actor, key);
    await this.purgeWhole(actor, key, removal);
  }

  private async purgeOne(
    actor: Actor,
    key: RecordKey,
    { erased, gone }: Removal,
  ): Promise<StoredRecord | undefined> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const record = await this.records.find(key, true);
      if (!record || record.state === 'fenced' || record.state === 'purged') return record;
      const definition = definitionOf(key.object);
      const rows = await this.maintenance.everyRow(definition, record);
      const events = await this.writer.eventsSince(record, 0);
      // By way of a deletion: of what is deleted a cut-off purge leaves nothing but known rows.
      const away = record.state === 'live' ? await this.removed(actor, definition, record) : record;
      if (away && (await this.purger.purge(away, actor))) {
        erased.records++;
        erased.events += events.length;
        for (const { table } of rows) erased[table]++;
        gone.push({ record, rows });
        return record;
      }
      await backOff(attempt);
    }
    throw contended();
  }

  private removed(
    actor: Actor,
    definition: RecordDefinition,
    record: StoredRecord,
  ): Promise<StoredRecord | undefined> {
    const draft: Draft = { state: 'deleted', data: record.data, kind: 'deleted' };
    return this.writer.write(definition, actor, record, record, draft, timeOrderedId());
  }

  /** Takes the record out of whatever refers to it; what is about it alone goes with it. */
  private async unlink(
    actor: Actor,
    { organizationId, object, id }: RecordKey,
    ids: ReadonlySet<string>,
    removal: Removal,
  ): Promise<void> {
    for (const other of allDefinitions()) {
      const scope = listName('created', referenceScope(object, id));
      await this.eachInList(organizationId, other, scope, async (key) => {
        const record = await this.records.find(key, true);
        if (record?.state !== 'live') return;
        if (other.isOnlyAbout?.(record.data, ids)) {
          await this.eraseAlong(actor, key, removal);
          return;
        }
        const fields = await this.fields.of(organizationId, other.object);
        const references = referencesOf(other, fields).filter((one) => one.object === object);
        await this.updater.update(actor, other, key, (base) => {
          if (base.state !== 'live') return undefined;
          const data = references.reduce((all, one) => withoutReference(one, all, ids), base.data);
          if (data === base.data) return undefined;
          removal.erased.references++;
          return { state: 'live', data, kind: 'repointed' };
        });
      });
    }
  }

  /** What was about it alone, and waits for its own purge. */
  private async purgeDeleted(
    actor: Actor,
    { organizationId }: RecordKey,
    definition: RecordDefinition,
    ids: ReadonlySet<string>,
    removal: Removal,
  ): Promise<void> {
    await this.eachInList(organizationId, definition, listName('deleted', ALL), async (key) => {
      const record = await this.records.find(key);
      const isHis = record?.state === 'deleted' && definition.isOnlyAbout?.(record.data, ids);
      if (isHis) await this.eraseAlong(actor, key, removal);
    });
  }

  private async eachInList(
    organizationId: string,
    { object }: RecordDefinition,
    list: string,
    work: (key: RecordKey) => Promise<void>,
  ): Promise<void> {
    for (let from: ListPosition = { sortKey: '', id: '' }; ;) {
      const range = { from, endKey: HIGHEST, descending: false };
      const rows = await this.layouts.reading(organizationId, object, (buckets) =>
        this.derived.list({ organizationId, object, list }, buckets, range, PAGE),
      );
      await inParallel(rows, AT_ONCE, ({ id }) => work({ organizationId, object, id }));
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      from = last;
    }
  }

  /** Looks for everything that was removed. @throws Error where some of it is there */
  private async check({ gone }: Removal): Promise<void> {
    for (const { record, rows } of gone) {
      const { organizationId, object, id } = record;
      const [now, events] = await Promise.all([
        this.records.find(record, true),
        this.writer.eventsSince(record, 0),
      ]);
      const { readBuckets, writeBuckets } = await this.layouts.find(organizationId, object);
      const left: string[] = [];
      await inParallel(rows, AT_ONCE, async (row) => {
        for (const buckets of new Set([readBuckets, ...writeBuckets])) {
          const partition = {
            organizationId,
            object,
            list: row.list,
            bucket: bucketOf(id, buckets),
          };
          if (await this.derived.find(partition, row, id)) left.push(row.table);
        }
      });
      const isGone = now?.state === 'purged' && events.every(({ kind }) => kind === 'purged');
      if (!isGone || left.length > 0) throw new Error(`Not all of ${object} ${id} is erased`);
    }
  }
}
