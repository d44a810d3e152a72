import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

export interface QueueEntry {
  organizationId: string;
  id: string;
}

export const QUEUE_SHARDS = 4;

interface QueueRow {
  organization_id: string;
  id: { toString(): string };
}

const insert = defineQuery(
  'job_queue.insert',
  `INSERT INTO job_queue (organization_id, shard, id) VALUES (:organization_id, :shard, :id)`,
);
const list = defineQuery<QueueRow>(
  'job_queue.list',
  `SELECT organization_id, id FROM job_queue
   WHERE shard = :shard AND organization_id > :after LIMIT :size`,
);
const remove = defineQuery(
  'job_queue.remove',
  `DELETE FROM job_queue WHERE shard = :shard AND organization_id = :organization_id AND id = :id`,
);

/** Where unfinished jobs are found. Those of an organization are spread over all shards. */
@Injectable()
export class JobQueueRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async add(entry: QueueEntry): Promise<void> {
    await this.cassandra.run(insert, toParams(entry));
  }

  /** Entries of the organizations behind the one named; '' begins anew. */
  async list(shard: number, after: string, size: number): Promise<QueueEntry[]> {
    const rows = await this.cassandra.page(list, { shard, after }, size);
    return rows.map((row) => ({ organizationId: row.organization_id, id: row.id.toString() }));
  }

  async remove(entry: QueueEntry): Promise<void> {
    await this.cassandra.run(remove, toParams(entry));
  }
}

function toParams({ organizationId, id }: QueueEntry) {
  // The last digits of a UUIDv7 are random.
  const shard = Number.parseInt(id.slice(-2), 16) % QUEUE_SHARDS;
  return { organization_id: organizationId, shard, id };
}
