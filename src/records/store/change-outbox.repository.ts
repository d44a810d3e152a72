import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import { outboxShardOf, outboxWindowOf } from '../writing/outbox-windows';
import type { RecordKey } from './records.repository';

/** Windows that are asked for at a time. */
const WINDOWS_AT_ONCE = 16;
const PAGE = 2000;

/** A version that is committed and may not be in the log of changes. */
export interface OutboxRow extends RecordKey {
  version: number;
  shard: number;
  window: Date;
}

interface Row {
  organization_id: string;
  object: string;
  record_id: { toString(): string };
  version: number;
}

const insert = defineQuery(
  'change_outbox.insert',
  `INSERT INTO change_outbox (shard, window, organization_id, object, record_id, version)
   VALUES (:shard, :window, :organization_id, :object, :record_id, :version) USING TTL 259200`,
);
const list = defineQuery<Row>(
  'change_outbox.list',
  `SELECT organization_id, object, record_id, version FROM change_outbox
   WHERE shard = :shard AND window = :window LIMIT :size`,
);
const remove = defineQuery(
  'change_outbox.remove',
  `DELETE FROM change_outbox WHERE shard = :shard AND window = :window
   AND organization_id = :organization_id AND object = :object AND record_id = :record_id
   AND version = :version`,
);

/** What has been committed lately, by shard and window of time. */
@Injectable()
export class ChangeOutboxRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Notes a version in the window of `time` (epoch ms). */
  async add(key: RecordKey, version: number, time: number): Promise<void> {
    await this.cassandra.run(insert, {
      shard: outboxShardOf(key.organizationId),
      window: outboxWindowOf(time),
      organization_id: key.organizationId,
      object: key.object,
      record_id: key.id,
      version,
    });
  }

  /** What is noted in some windows; of a full one only the first part. */
  async list(
    shard: number,
    windows: readonly Date[],
  ): Promise<{ rows: OutboxRow[]; more: boolean }> {
    const rows: OutboxRow[] = [];
    let more = false;
    for (let at = 0; at < windows.length; at += WINDOWS_AT_ONCE) {
      const some = windows.slice(at, at + WINDOWS_AT_ONCE);
      const found = await Promise.all(some.map((window) => this.listOne(shard, window)));
      more ||= found.some((one) => one.length === PAGE);
      rows.push(...found.flat());
    }
    return { rows, more };
  }

  async remove(rows: readonly OutboxRow[]): Promise<void> {
    await this.cassandra.scatter(
      rows.map(({ shard, window, organizationId, object, id, version }) => ({
        query: remove,
        params: {
          shard,
          window,
          organization_id: organizationId,
          object,
          record_id: id,
          version,
        },
      })),
    );
  }

  private async listOne(shard: number, window: Date): Promise<OutboxRow[]> {
    const rows = await this.cassandra.page(list, { shard, window }, PAGE);
    return rows.map((row) => ({
      organizationId: row.organization_id,
      object: row.object,
      id: row.record_id.toString(),
      version: row.version,
      shard,
      window,
    }));
  }
}
