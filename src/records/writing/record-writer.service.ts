import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { AppConfig } from '../../config/app-config';
import type { Field } from '../../fields/field';
import { FieldsService } from '../../fields/fields.service';
import { ChangeOutbox } from './change-outbox.service';
import { ClaimsService, isRefusal } from './claims.service';
import { derive, deriveStale, tellOfDeletion, without } from '../derive';
import {
  type Actor,
  changesBetween,
  type ChangeEvent,
  type Draft,
  type RecordData,
  type RecordState,
  type StoredRecord,
  type UniqueValue,
} from '../record';
import { type RecordDefinition, uniquesOf } from '../record-definition';
import { changedTotals, type DerivedRow, mayHaveCopy } from '../store/derived-rows';
import { DerivedRowsRepository } from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';
import { RecordIdsRepository } from '../store/record-ids.repository';
import { type RecordKey, RecordsRepository } from '../store/records.repository';
import { TotalSumsRepository } from '../store/total-sums.repository';
import { newIntent, WriteIntentsRepository } from '../store/write-intents.repository';

/** What an intent of a write says, for whoever has to finish it. */
export interface WriteDetail {
  /** The version the write began with; 0 for a new record. */
  version: number;
  /** The unique values it claims or gives up. */
  uniques: UniqueValue[];
}

/**
 * Writes a version of a record and all that follows from it, in this order:
 *
 *   intent → claims → copies withdrawn → commit → derived rows → claims given up → answer
 *
 * The commit decides. Whatever a crash leaves before it is taken back, and after it is finished, by
 * the sweeper, which finds the intent. A write is acknowledged when its derived rows are there; its intent is
 * removed meanwhile.
 */
@Injectable()
export class RecordWriter {
  private readonly retentionMs: number;

  constructor(
    private readonly records: RecordsRepository,
    private readonly ids: RecordIdsRepository,
    private readonly derived: DerivedRowsRepository,
    private readonly intents: WriteIntentsRepository,
    private readonly totals: TotalSumsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly claims: ClaimsService,
    private readonly outbox: ChangeOutbox,
    private readonly fields: FieldsService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.retentionMs = config.get('records', { infer: true }).retentionMs;
  }

  /**
   * Makes the next version of a record, on top of what was found under its id: nothing or a fence
   * for a new one.
   * @param operationId the mark of this write, and of no other; a repeat of it may use it again
   * @returns the record as written, or undefined when somebody has written since it was found
   * @throws AppError DUPLICATE, CONFLICT, and SERVICE_UNAVAILABLE where the outcome is not known
   */
  async write(
    definition: RecordDefinition,
    actor: Actor,
    key: RecordKey,
    found: StoredRecord | undefined,
    draft: Draft,
    operationId: string,
  ): Promise<StoredRecord | undefined> {
    const base = found?.state === 'fenced' ? undefined : found;
    const fields = await this.fieldsFor(definition, key, draft.data, base?.data);
    const customKeys = fields.filter(({ unique }) => unique).map((field) => field.key);
    const before = base ? uniquesOf(definition, base, customKeys) : [];
    const record = nextVersion(key, base, draft, actor, operationId);
    const after = uniquesOf(definition, record, customKeys);
    const claimed = minus(after, before);
    const givenUp = minus(before, after);
    const detail: WriteDetail = {
      version: base?.version ?? 0,
      uniques: [...claimed, ...givenUp],
    };
    const rowsBefore = base ? derive(definition, base, fields) : [];
    const withdraw = () => base && this.withdrawCopies(base, rowsBefore);
    const [intent, held] = await Promise.all([
      this.intents.add({
        ...newIntent(key),
        kind: 'write',
        detail: JSON.stringify(detail),
      }),
      this.claims.held(key, givenUp),
      base ? undefined : this.ids.add(key.organizationId, key.object, key.id),
      claimed.length === 0 ? withdraw() : undefined,
      record.state === 'deleted' ? this.planPurge(key, record.updatedAt) : undefined,
    ]);
    const claims = await this.claims.claim(definition, key, claimed);
    // Not before: what is refused keeps its copies.
    if (claimed.length > 0 && claims.refused === undefined) await withdraw();
    const committed =
      claims.refused === undefined &&
      (await this.records.commit({
        record,
        kind: draft.kind,
        actor,
        changes: draft.state === 'purged' ? {} : changesBetween(base?.data, draft.data),
        expectedOperationId: found?.operationId ?? null,
      }));
    if (!committed) {
      await this.claims.release(key, claims.own);
      // What others may count on is left to the sweeper, which looks at the record first.
      const isOver = claims.refused === undefined || isRefusal(claims.refused);
      if (isOver && !claims.shared) this.intents.forget(intent);
      if (claims.refused !== undefined) throw claims.refused as Error;
      return undefined;
    }
    await Promise.all([
      this.writeDerived(definition, fields, record, rowsBefore),
      this.outbox.note(record),
    ]);
    await this.claims.release(key, held);
    this.intents.forget(intent);
    return record;
  }

  /**
   * Finishes what writes from a version on may have left undone: rows of the record as it is, and no
   * others, and the note for those who follow the changes. Can be done at any time, and any number of times.
   */
  async settle(
    definition: RecordDefinition,
    record: StoredRecord,
    sinceVersion: number,
  ): Promise<void> {
    const { rows, stale } = await this.rowsOf(definition, record, sinceVersion);
    await this.outbox.note(record);
    await this.writeRows(record, rows, stale, changedTotals(stale, rows));
  }

  /** The rows that a record has, and those that it had in other versions, from one on, and has no more. */
  async rowsOf(
    definition: RecordDefinition,
    record: StoredRecord,
    sinceVersion = 0,
  ): Promise<{ rows: DerivedRow[]; stale: DerivedRow[] }> {
    const fields = await this.fieldsFor(definition, record, record.data);
    const rows = derive(definition, record, fields);
    if (record.version === 1) return { rows, stale: [] };
    const events = await this.records.listEventsSince(record, sinceVersion, tellOfDeletion);
    return { rows, stale: deriveStale(definition, record, fields, events) };
  }

  /** Takes rows away that follow neither from a record nor from what is left of its history. */
  async remove(record: StoredRecord, strays: readonly DerivedRow[]): Promise<void> {
    await this.writeRows(record, [], strays, changedTotals(strays, []));
  }

  /** The events of a record down to a version, newest first. */
  eventsSince(key: RecordKey, version: number): Promise<ChangeEvent[]> {
    return this.records.listEventsSince(key, version);
  }

  /** With every field that a record has: one of them may be newer than what this process knows. */
  private async fieldsFor(
    { object }: RecordDefinition,
    { organizationId }: RecordKey,
    ...all: (RecordData | undefined)[]
  ): Promise<readonly Field[]> {
    const fields = await this.fields.of(organizationId, object);
    const known = new Set(fields.map((field) => field.key));
    const used = all.flatMap((data) => Object.keys(data?.custom ?? {}));
    return used.every((key) => known.has(key))
      ? fields
      : this.fields.of(organizationId, object, true);
  }

  private async writeDerived(
    definition: RecordDefinition,
    fields: readonly Field[],
    record: StoredRecord,
    before: readonly DerivedRow[],
  ): Promise<void> {
    const rows = derive(definition, record, fields);
    await this.writeRows(record, rows, without(before, rows), changedTotals(before, rows));
  }

  /** Before a commit: whoever reads a list after it must not find the version that was there before. */
  private async withdrawCopies(base: StoredRecord, rows: readonly DerivedRow[]): Promise<void> {
    if (!rows.some(mayHaveCopy)) return;
    const { writeBuckets } = await this.layouts.get(base.organizationId, base.object);
    await this.derived.withdrawCopies(base, writeBuckets, rows);
  }

  private async writeRows(
    record: StoredRecord,
    rows: readonly DerivedRow[],
    stale: readonly DerivedRow[],
    totals: ReadonlySet<string>,
  ): Promise<void> {
    // Asked for after the commit: growing counts on it (rebucket.service.ts). What leaves the lists goes
    // from a spread, too, that this process has not heard of yet.
    const { organizationId, object, state } = record;
    const { writeBuckets } = await (state === 'live'
      ? this.layouts.get(organizationId, object)
      : this.layouts.find(organizationId, object));
    await this.derived.write(record, writeBuckets, rows, stale);
    // Only now: what is added up after a mark must have its rows in it.
    if (totals.size > 0) await this.totals.mark(record, writeBuckets, totals);
  }

  private async planPurge(key: RecordKey, deletedAt: Date): Promise<void> {
    await this.intents.add(
      { ...newIntent(key), kind: 'purge', detail: '' },
      new Date(deletedAt.getTime() + this.retentionMs),
    );
  }
}

function nextVersion(
  { organizationId, object, id }: RecordKey,
  base: StoredRecord | undefined,
  draft: Draft,
  actor: Actor,
  operationId: string,
): StoredRecord {
  // The history is in the order of its times: they grow whatever the clocks say.
  const now = new Date(Math.max(Date.now(), (base?.updatedAt.getTime() ?? 0) + 1));
  const state: RecordState = draft.state;
  return {
    organizationId,
    object,
    id,
    state,
    version: (base?.version ?? 0) + 1,
    operationId,
    data: draft.data,
    createdAt: base?.createdAt ?? now,
    createdBy: base?.createdBy ?? actor.userId,
    updatedAt: now,
    updatedBy: actor.userId,
    deletedAt: state === 'live' ? null : (base?.deletedAt ?? now),
  };
}

function minus(some: readonly UniqueValue[], others: readonly UniqueValue[]): UniqueValue[] {
  return some.filter(
    ({ field, value }) => !others.some((other) => other.field === field && other.value === value),
  );
}
