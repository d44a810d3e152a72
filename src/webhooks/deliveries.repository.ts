import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { chunkOf, type Delivery, type DeliveryStatus, type Webhook } from './webhook';
import { type PointerRow, toPointer } from './pending.repository';

const KEY = 'organization_id = :organization_id AND webhook_id = :webhook_id AND chunk = :chunk';

const list = defineQuery<
  PointerRow & {
    status: DeliveryStatus;
    last_at: Date;
    last_status: number | null;
    error: string | null;
    latency_ms: number | null;
  }
>(
  'webhook_deliveries.list',
  `SELECT position, object, record_id, version, at, status, attempts, first_at, last_at, last_status,
     error, latency_ms
   FROM webhook_deliveries WHERE ${KEY} AND position <= :position LIMIT :size`,
);
const put = defineQuery(
  'webhook_deliveries.put',
  `INSERT INTO webhook_deliveries (organization_id, webhook_id, chunk, position, object, record_id,
     version, at, status, attempts, first_at, last_at, last_status, error, latency_ms)
   VALUES (:organization_id, :webhook_id, :chunk, :position, :object, :record_id, :version, :at,
     :status, :attempts, :first_at, :last_at, :last_status, :error, :latency_ms) USING TTL 2592000`,
);
const erase = defineQuery(
  'webhook_deliveries.erase',
  `DELETE FROM webhook_deliveries USING TIMESTAMP :microseconds WHERE ${KEY}`,
);

type Key = Pick<Webhook, 'organizationId' | 'id'>;

/** What has become of the events of webhooks. */
@Injectable()
export class DeliveriesRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Those of the position's chunk, from the position down. */
  async list(key: Key, position: number, size: number): Promise<Delivery[]> {
    const params = { ...keyOf(key, chunkOf(position)), position };
    const rows = await this.cassandra.page(list, params, size);
    return rows.map((row) => ({
      ...toPointer(row),
      status: row.status,
      lastAt: row.last_at,
      lastStatus: row.last_status,
      error: row.error,
      latencyMs: row.latency_ms,
    }));
  }

  async put(key: Key, one: Delivery): Promise<void> {
    await this.cassandra.run(put, {
      ...keyOf(key, chunkOf(one.position)),
      position: one.position,
      object: one.object,
      record_id: one.id,
      version: one.version,
      at: one.at,
      status: one.status,
      attempts: one.attempts,
      first_at: one.firstAt,
      last_at: one.lastAt,
      last_status: one.lastStatus,
      error: one.error,
      latency_ms: one.latencyMs,
    });
  }

  async erase(key: Key, chunk: number, microseconds: number): Promise<void> {
    await this.cassandra.run(erase, { ...keyOf(key, chunk), microseconds });
  }
}

function keyOf({ organizationId, id }: Key, chunk: number) {
  return { organization_id: organizationId, webhook_id: id, chunk };
}
