import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { chunkOf, firstOf, type Pending, type Progress, type Webhook } from './webhook';

const PAGE = 1000;

interface Long {
  toString(): string;
}

export interface PointerRow {
  position: Long;
  object: string;
  record_id: Long;
  version: number;
  at: Date;
  attempts: number;
  first_at: Date;
}

const HOOK = 'organization_id = :organization_id AND webhook_id = :webhook_id';

const findProgress = defineQuery<{
  first_position: Long;
  next_position: Long;
  pending_chunk: number;
  failing_since: Date | null;
}>(
  'webhook_progress.find',
  `SELECT first_position, next_position, pending_chunk, failing_since FROM webhook_progress WHERE ${HOOK}`,
);
const beginProgress = defineQuery(
  'webhook_progress.begin',
  `INSERT INTO webhook_progress (organization_id, webhook_id, first_position, next_position, pending_chunk)
   VALUES (:organization_id, :webhook_id, :position, :position, :chunk)`,
);
const moveProgress = defineQuery(
  'webhook_progress.move',
  `UPDATE webhook_progress SET next_position = :position, pending_chunk = :chunk WHERE ${HOOK}`,
);
const setFailing = defineQuery(
  'webhook_progress.setFailing',
  `UPDATE webhook_progress SET failing_since = :since WHERE ${HOOK}`,
);
const eraseProgress = defineQuery(
  'webhook_progress.erase',
  `DELETE FROM webhook_progress USING TIMESTAMP :microseconds WHERE ${HOOK}`,
);
const list = defineQuery<PointerRow & { next_at: Date }>(
  'webhook_pending.list',
  `SELECT position, object, record_id, version, at, attempts, first_at, next_at
   FROM webhook_pending WHERE ${HOOK} AND chunk = :chunk AND position >= :position LIMIT :size`,
);
const put = defineQuery(
  'webhook_pending.put',
  `INSERT INTO webhook_pending (organization_id, webhook_id, chunk, position, object, record_id,
     version, at, attempts, first_at, next_at)
   VALUES (:organization_id, :webhook_id, :chunk, :position, :object, :record_id, :version, :at,
     :attempts, :first_at, :next_at) USING TTL 2592000`,
);
const remove = defineQuery(
  'webhook_pending.remove',
  `DELETE FROM webhook_pending WHERE ${HOOK} AND chunk = :chunk AND position = :position`,
);
const erase = defineQuery(
  'webhook_pending.erase',
  `DELETE FROM webhook_pending USING TIMESTAMP :microseconds WHERE ${HOOK} AND chunk = :chunk`,
);

type Key = Pick<Webhook, 'organizationId' | 'id'>;

/** What is on its way to webhooks, and how far each has come. */
@Injectable()
export class PendingRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async progress(key: Key): Promise<Progress | undefined> {
    const row = await this.cassandra.first(findProgress, keyOf(key));
    return (
      row && {
        firstPosition: Number(row.first_position.toString()),
        nextPosition: Number(row.next_position.toString()),
        pendingChunk: row.pending_chunk,
        failingSince: row.failing_since,
      }
    );
  }

  async begin(key: Key, position: number, chunk: number): Promise<void> {
    await this.cassandra.run(beginProgress, { ...keyOf(key), position, chunk });
  }

  /** Notes what is read next, and the first chunk that has events on their way. */
  async move(key: Key, position: number, chunk: number): Promise<void> {
    await this.cassandra.run(moveProgress, { ...keyOf(key), position, chunk });
  }

  /** Notes since when there are nothing but failures; null: there are none. */
  async setFailingSince(key: Key, since: Date | null): Promise<void> {
    await this.cassandra.run(setFailing, { ...keyOf(key), since });
  }

  /** Those of a chunk, from a position on. */
  async list(key: Key, chunk: number, position: number, size: number): Promise<Pending[]> {
    const rows = await this.cassandra.page(list, { ...keyOf(key), chunk, position }, size);
    return rows.map((row) => ({ ...toPointer(row), chunk, nextAt: row.next_at }));
  }

  /** Page by page, those from one position to another, that one not included. */
  async *walk(key: Key, from: number, to: number): AsyncGenerator<Pending[]> {
    for (let position = from; position < to;) {
      const page = await this.list(key, chunkOf(position), position, PAGE);
      yield page.filter((one) => one.position < to);
      const last = page.length === PAGE ? page.at(-1) : undefined;
      position = last ? last.position + 1 : firstOf(chunkOf(position) + 1);
    }
  }

  async put(key: Key, all: readonly Pending[]): Promise<void> {
    await this.cassandra.scatter(
      all.map((one) => ({
        query: put,
        params: {
          ...keyOf(key),
          chunk: one.chunk,
          position: one.position,
          object: one.object,
          record_id: one.id,
          version: one.version,
          at: one.at,
          attempts: one.attempts,
          first_at: one.firstAt,
          next_at: one.nextAt,
        },
      })),
    );
  }

  async remove(key: Key, { chunk, position }: Pending): Promise<void> {
    await this.cassandra.run(remove, { ...keyOf(key), chunk, position });
  }

  async eraseChunk(key: Key, chunk: number, microseconds: number): Promise<void> {
    await this.cassandra.run(erase, { ...keyOf(key), chunk, microseconds });
  }

  async eraseProgress(key: Key, microseconds: number): Promise<void> {
    await this.cassandra.run(eraseProgress, { ...keyOf(key), microseconds });
  }
}

function keyOf({ organizationId, id }: Key) {
  return { organization_id: organizationId, webhook_id: id };
}

export function toPointer(row: PointerRow) {
  return {
    position: Number(row.position.toString()),
    object: row.object,
    id: row.record_id.toString(),
    version: row.version,
    at: row.at,
    attempts: row.attempts,
    firstAt: row.first_at,
  };
}
