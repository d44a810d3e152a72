import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import { inChunks } from '../../common/in-chunks';
import type {
  Actor,
  ChangeEvent,
  Changes,
  EventKind,
  RecordData,
  RecordState,
  StoredRecord,
} from '../record';

interface RecordRow {
  id: { toString(): string };
  state: RecordState | null;
  version: number | null;
  operation_id: { toString(): string } | null;
  data: string | null;
  created_at: Date;
  created_by: { toString(): string } | null;
  updated_at: Date;
  updated_by: { toString(): string } | null;
  deleted_at: Date | null;
}

interface EventRow {
  at: Date;
  event_version: number;
  event_kind: EventKind;
  event_operation_id: { toString(): string };
  actor_id: { toString(): string };
  api_key_id: { toString(): string } | null;
  changes: string;
}

const KEY = 'organization_id = :organization_id AND object = :object';
const STATICS = `id, state, version, operation_id, data, created_at, created_by, updated_at, updated_by,
  deleted_at`;

const find = defineQuery<RecordRow>(
  'records.find',
  `SELECT DISTINCT ${STATICS} FROM records WHERE ${KEY} AND id = :id`,
);
const findMany = defineQuery<RecordRow>(
  'records.findMany',
  `SELECT DISTINCT ${STATICS} FROM records WHERE ${KEY} AND id IN :ids`,
);
const listEvents = defineQuery<EventRow>(
  'records.listEvents',
  `SELECT at, event_version, event_kind, event_operation_id, actor_id, api_key_id, changes
   FROM records WHERE ${KEY} AND id = :id AND at < :before LIMIT :size`,
);
const listLatestEvents = defineQuery<EventRow & { id: { toString(): string } }>(
  'records.listLatestEvents',
  `SELECT id, at, event_version, event_kind, event_operation_id, actor_id, api_key_id, changes
   FROM records WHERE ${KEY} AND id IN :ids AND at < :before PER PARTITION LIMIT :each LIMIT :size`,
);
const listEventsBetween = defineQuery<EventRow>(
  'records.listEventsBetween',
  `SELECT at, event_version, event_kind, event_operation_id, actor_id, api_key_id, changes
   FROM records WHERE ${KEY} AND id = :id AND at >= :first AND at <= :last LIMIT :size`,
);
const findEvent = defineQuery<{ event_operation_id: { toString(): string } | null }>(
  'records.findEvent',
  `SELECT event_operation_id FROM records WHERE ${KEY} AND id = :id AND at = :at`,
);
const commit = defineQuery(
  'records.commit',
  `UPDATE records SET state = :state, version = :version, operation_id = :operation_id,
     data = :data, created_at = :created_at, created_by = :created_by, updated_at = :at,
     updated_by = :actor_id, deleted_at = :deleted_at
   WHERE ${KEY} AND id = :id IF operation_id = :expected_operation_id`,
);
const insertEvent = defineQuery(
  'records.insertEvent',
  `INSERT INTO records (organization_id, object, id, at, event_version, event_kind,
     event_operation_id, actor_id, api_key_id, changes)
   VALUES (:organization_id, :object, :id, :at, :version, :kind,
     :operation_id, :actor_id, :api_key_id, :changes)
   IF NOT EXISTS`,
);
// A day is far beyond the longest stall of a request: its process gives up after minutes.
const fenceNew = defineQuery(
  'records.fenceNew',
  `UPDATE records USING TTL 86400 SET state = 'fenced', operation_id = :operation_id
   WHERE ${KEY} AND id = :id IF operation_id = :expected_operation_id`,
);
const fence = defineQuery(
  'records.fence',
  `UPDATE records SET operation_id = :operation_id
   WHERE ${KEY} AND id = :id IF operation_id = :expected_operation_id`,
);
const removeEvent = defineQuery(
  'records.removeEvent',
  `DELETE FROM records WHERE ${KEY} AND id = :id AND at = :at IF EXISTS`,
);

/** What is known of an id: `operationId` is null where nothing was ever written under it. */
export interface RecordKey {
  organizationId: string;
  object: string;
  id: string;
}

/** The next version of a record, to be written if nobody has written since `base` was read. */
export interface Commit {
  record: StoredRecord;
  kind: EventKind;
  actor: Actor;
  changes: Changes;
  expectedOperationId: string | null;
}

/** After every event. */
const LATEST = new Date(8.64e15);
/** Ids in one statement: the node that is asked reads all of them at once, and has others to answer. */
const IDS_AT_ONCE = 32;
const EVENTS_AT_ONCE = 100;

@Injectable()
export class RecordsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /**
   * The record of an id, in whatever state; undefined where there never was one.
   * `serial` also sees a write nobody has been told of yet.
   */
  async find(key: RecordKey, serial = false): Promise<StoredRecord | undefined> {
    const row = await this.cassandra.first(find, params(key), { serial });
    return row && toRecord(key, row);
  }

  async findMany(
    organizationId: string,
    object: string,
    ids: readonly string[],
  ): Promise<Map<string, StoredRecord>> {
    const found = await Promise.all(
      inChunks([...new Set(ids)], IDS_AT_ONCE).map((some) =>
        this.cassandra.run(findMany, { organization_id: organizationId, object, ids: some }),
      ),
    );
    const records = new Map<string, StoredRecord>();
    for (const row of found.flat()) {
      const record = toRecord({ organizationId, object }, row);
      if (record) records.set(record.id, record);
    }
    return records;
  }

  /** Events before a moment, newest first. */
  async listEvents(key: RecordKey, before: Date, size: number): Promise<ChangeEvent[]> {
    const rows = await this.cassandra.page(listEvents, { ...params(key), before }, size);
    return rows.map(toEvent);
  }

  /** The latest events of many records at once, `each` of every one at most, newest first. */
  async listLatestEvents(
    organizationId: string,
    object: string,
    ids: readonly string[],
    each: number,
  ): Promise<Map<string, ChangeEvent[]>> {
    const events = new Map<string, ChangeEvent[]>(ids.map((id) => [id, []]));
    const rows = await this.cassandra.page(
      listLatestEvents,
      { organization_id: organizationId, object, ids, before: LATEST, each },
      ids.length * each,
    );
    for (const row of rows) events.get(row.id.toString())?.push(toEvent(row));
    return events;
  }

  /**
   * The events of a record down to a version, newest first, and older ones for as long as there are any
   * and what was found is not enough.
   */
  async listEventsSince(
    key: RecordKey,
    version: number,
    isEnough: (events: readonly ChangeEvent[]) => boolean = () => true,
  ): Promise<ChangeEvent[]> {
    const events: ChangeEvent[] = [];
    for (let before = new Date(8.64e15); ;) {
      const page = await this.listEvents(key, before, EVENTS_AT_ONCE);
      for (const event of page) {
        if (event.version < version && isEnough(events)) return events;
        events.push(event);
      }
      const last = page.at(-1);
      if (!last || page.length < EVENTS_AT_ONCE) return events;
      if (last.version <= version && isEnough(events)) return events;
      before = last.at;
    }
  }

  /** Events from one moment to another, both included. */
  async listEventsBetween(
    key: RecordKey,
    first: Date,
    last: Date,
    size: number,
  ): Promise<ChangeEvent[]> {
    const rows = await this.cassandra.page(
      listEventsBetween,
      { ...params(key), first, last },
      size,
    );
    return rows.map(toEvent);
  }

  /** Writes the record and the event of its version together. False: somebody was faster. */
  async commit({ record, kind, actor, changes, expectedOperationId }: Commit): Promise<boolean> {
    const key = params(record);
    const at = record.updatedAt;
    const update = {
      ...key,
      state: record.state,
      version: record.version,
      operation_id: record.operationId,
      data: JSON.stringify(record.data),
      created_at: record.createdAt,
      created_by: record.createdBy,
      at,
      actor_id: record.updatedBy,
      deleted_at: record.deletedAt,
      expected_operation_id: expectedOperationId,
    };
    const event = {
      ...key,
      at,
      version: record.version,
      kind,
      operation_id: record.operationId,
      actor_id: actor.userId,
      api_key_id: actor.apiKeyId,
      changes: JSON.stringify(changes),
    };
    const result = await this.cassandra.lwt(
      [
        { query: commit, params: update },
        { query: insertEvent, params: event },
      ],
      async () => {
        const [row] = await this.cassandra.run(findEvent, { ...key, at }, { serial: true });
        return row?.event_operation_id?.toString() === record.operationId;
      },
    );
    return result.applied;
  }

  /**
   * Keeps every write from committing that began with the record as it was read. False: one has
   * committed already, or another fence was put up.
   */
  async fence(key: RecordKey, current: StoredRecord | undefined, mark: string): Promise<boolean> {
    const query = current === undefined || current.state === 'fenced' ? fenceNew : fence;
    const fenceParams = {
      ...params(key),
      operation_id: mark,
      expected_operation_id: current?.operationId ?? null,
    };
    const result = await this.cassandra.lwt([{ query, params: fenceParams }], async () => {
      const found = await this.find(key, true);
      return found?.operationId === mark;
    });
    return result.applied;
  }

  /** Forgets the history of a record whose data is gone. */
  async removeEvents(key: RecordKey, keep: Date): Promise<void> {
    for (;;) {
      const rows = await this.cassandra.page(listEvents, { ...params(key), before: keep }, 50);
      if (rows.length === 0) return;
      await this.cassandra.lwt(
        rows.map(({ at }) => ({ query: removeEvent, params: { ...params(key), at } })),
        () => Promise.resolve(true),
      );
    }
  }
}

function params({ organizationId, object, id }: RecordKey) {
  return { organization_id: organizationId, object, id };
}

function toEvent(row: EventRow): ChangeEvent {
  return {
    at: row.at,
    version: row.event_version,
    kind: row.event_kind,
    operationId: row.event_operation_id.toString(),
    actorId: row.actor_id.toString(),
    apiKeyId: row.api_key_id?.toString() ?? null,
    changes: JSON.parse(row.changes) as Changes,
  };
}

/** undefined for a partition that has lost its record: its fence has expired. */
function toRecord(
  { organizationId, object }: Omit<RecordKey, 'id'>,
  row: RecordRow,
): StoredRecord | undefined {
  if (row.operation_id === null || row.state === null) return undefined;
  return {
    organizationId,
    object,
    id: row.id.toString(),
    state: row.state,
    version: row.version ?? 0,
    operationId: row.operation_id.toString(),
    data: JSON.parse(row.data ?? '{}') as RecordData,
    createdAt: row.created_at,
    createdBy: row.created_by?.toString() ?? '',
    updatedAt: row.updated_at,
    updatedBy: row.updated_by?.toString() ?? '',
    deletedAt: row.deleted_at,
  };
}
