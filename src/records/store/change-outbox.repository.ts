import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import { outboxShardOf, outboxWindowOf } from '../writing/outbox-windows';
import type { RecordKey } from './records.repository';

const PAGE = 1000;

/** A version that is committed and may not be in the log of changes. */
export interface OutboxRow extends RecordKey {
  version: number;
  /** When the version was written: its place in the history. Null: noted by an older release. */
  at: Date | null;
}

interface Row {
  organization_id: string;
  object: string;
  record_id: { toString(): string };
  version: number;
  at: Date | null;
}

const WINDOW = 'shard = :shard AND window = :window';

// As long as the log keeps them: had nobody sequenced for that long, none would be missing before.
const insert = defineQuery(
  'change_outbox.insert',
  `INSERT INTO change_outbox (shard, window, organization_id, object, record_id, version, at)
   VALUES (:shard, :window, :organization_id, :object, :record_id, :version, :at)
   USING TTL 2592000`,
);
const list = defineQuery<Row>(
  'change_outbox.list',
  `SELECT organization_id, object, record_id, version, at FROM change_outbox WHERE ${WINDOW}
   AND (organization_id, object, record_id, version) >
     (:after_organization_id, :after_object, :after_id, :after_version) LIMIT :size`,
);
const filled = defineQuery<{ window: Date }>(
  'change_outbox.filled',
  `SELECT window FROM change_outbox WHERE shard = :shard AND window IN :windows PER PARTITION LIMIT 1`,
);
const count = defineQuery<{ rows: { toString(): string } }>(
  'change_outbox.count',
  `SELECT count(*) AS rows FROM change_outbox WHERE ${WINDOW}`,
);
const clear = defineQuery('change_outbox.clear', `DELETE FROM change_outbox WHERE ${WINDOW}`);

/** What has been committed lately, by shard and window of time. */
@Injectable()
export class ChangeOutboxRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Notes a version in the window of `time` (epoch ms). */
  async add(row: OutboxRow, time: number): Promise<void> {
    await this.cassandra.run(insert, {
      shard: outboxShardOf(row.organizationId),
      window: outboxWindowOf(time),
      organization_id: row.organizationId,
      object: row.object,
      record_id: row.id,
      version: row.version,
      at: row.at,
    });
  }

  /** The first rows of a window, or those behind a row; and whether there may be more. */
  async list(
    shard: number,
    window: Date,
    after?: OutboxRow,
  ): Promise<{ rows: OutboxRow[]; more: boolean }> {
    const place = {
      after_organization_id: after?.organizationId ?? '',
      after_object: after?.object ?? '',
      after_id: after?.id ?? '00000000-0000-0000-0000-000000000000',
      after_version: after?.version ?? 0,
    };
    const rows = await this.cassandra.page(list, { shard, window, ...place }, PAGE);
    return { rows: rows.map(toRow), more: rows.length === PAGE };
  }

  /** The starts (epoch ms) of those windows that have any rows. */
  async filled(shard: number, windows: readonly Date[]): Promise<Set<number>> {
    const rows = await this.cassandra.run(filled, { shard, windows });
    return new Set(rows.map(({ window }) => window.getTime()));
  }

  /** How many rows a window has. */
  async count(shard: number, window: Date): Promise<number> {
    const row = await this.cassandra.first(count, { shard, window });
    return Number(row?.rows.toString() ?? 0);
  }

  /** Deletes a window to which nothing comes any more. */
  async clear(shard: number, window: Date): Promise<void> {
    await this.cassandra.run(clear, { shard, window });
  }
}

function toRow(row: Row): OutboxRow {
  return {
    organizationId: row.organization_id,
    object: row.object,
    id: row.record_id.toString(),
    version: row.version,
    at: row.at,
  };
}
