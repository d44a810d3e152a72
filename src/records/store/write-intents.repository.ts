import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import type { RecordKey } from './records.repository';

/** Each shard is swept by one process at a time. */
export const SHARDS = 4;
/** At 500 writes a second a window of a shard has some 4,000 rows. */
export const WINDOW_MS = 30_000;
const PAGE = 500;

export type IntentKind = 'write' | 'purge' | 'merge' | 'erase';

/** Something that was begun, or is to be done when its window comes. */
export interface WriteIntent {
  id: string;
  organizationId: string;
  object: string;
  recordId: string;
  kind: IntentKind;
  /** `write`: the version it began with, and the unique values it claims or gives up; `erase`: who. */
  detail: string;
  shard: number;
  window: Date;
}

interface IntentRow {
  id: { toString(): string };
  organization_id: string;
  object: string;
  record_id: { toString(): string };
  kind: IntentKind;
  detail: string;
}

const insert = defineQuery(
  'write_intents.insert',
  `INSERT INTO write_intents (shard, window, id, organization_id, object, record_id, kind, detail)
   VALUES (:shard, :window, :id, :organization_id, :object, :record_id, :kind, :detail)`,
);
const list = defineQuery<IntentRow>(
  'write_intents.list',
  `SELECT id, organization_id, object, record_id, kind, detail FROM write_intents
   WHERE shard = :shard AND window = :window LIMIT :size`,
);
const remove = defineQuery(
  'write_intents.remove',
  'DELETE FROM write_intents WHERE shard = :shard AND window = :window AND id = :id',
);
const findSweep = defineQuery<{ window: Date }>(
  'sweeps.find',
  'SELECT window FROM sweeps WHERE shard = :shard',
);
const putSweep = defineQuery(
  'sweeps.put',
  'INSERT INTO sweeps (shard, window) VALUES (:shard, :window)',
);

export function windowOf(time: Date): Date {
  return new Date(Math.floor(time.getTime() / WINDOW_MS) * WINDOW_MS);
}

/** Every attempt has one of its own: that of a repeat must not stand for that of the first. */
export function newIntent({ organizationId, object, id }: RecordKey) {
  return { id: randomId(), organizationId, object, recordId: id };
}

/** What was begun and is not known to be finished, by shard and window of time. */
@Injectable()
export class WriteIntentsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Notes an intent in the window of `due`. */
  async add(intent: Omit<WriteIntent, 'shard' | 'window'>, due = new Date()): Promise<WriteIntent> {
    const shard = parseInt(intent.id.slice(-2), 16) % SHARDS;
    const whole = { ...intent, shard, window: windowOf(due) };
    await this.cassandra.run(insert, {
      shard,
      window: whole.window,
      id: intent.id,
      organization_id: intent.organizationId,
      object: intent.object,
      record_id: intent.recordId,
      kind: intent.kind,
      detail: intent.detail,
    });
    return whole;
  }

  async list(shard: number, window: Date): Promise<WriteIntent[]> {
    const rows = await this.cassandra.page(list, { shard, window }, PAGE);
    return rows.map((row) => ({
      id: row.id.toString(),
      organizationId: row.organization_id,
      object: row.object,
      recordId: row.record_id.toString(),
      kind: row.kind,
      detail: row.detail,
      shard,
      window,
    }));
  }

  async remove({ shard, window, id }: WriteIntent): Promise<void> {
    await this.cassandra.run(remove, { shard, window, id });
  }

  /**
   * Removes the intent of a write that is done, without anybody waiting for it: where it fails the sweeper
   * finds the intent, and nothing to be done.
   */
  forget({ shard, window, id }: WriteIntent): void {
    this.cassandra.runInBackground(remove, { shard, window, id });
  }

  /** The first window of a shard that is not known to be done; undefined before the first sweep. */
  async sweptUntil(shard: number): Promise<Date | undefined> {
    return (await this.cassandra.first(findSweep, { shard }))?.window;
  }

  async setSweptUntil(shard: number, window: Date): Promise<void> {
    await this.cassandra.run(putSweep, { shard, window });
  }
}
