import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import { shardOf } from '../../common/shard-of';

/** Keeps a shard under 100,000 rows up to 6 million records of one object. */
export const RECORD_ID_SHARDS = 64;
const PAGE = 500;
const SMALLEST_ID = '00000000-0000-0000-0000-000000000000';

const add = defineQuery(
  'record_ids.add',
  `INSERT INTO record_ids (organization_id, object, shard, id)
   VALUES (:organization_id, :object, :shard, :id)`,
);
const list = defineQuery<{ id: { toString(): string } }>(
  'record_ids.list',
  `SELECT id FROM record_ids
   WHERE organization_id = :organization_id AND object = :object AND shard = :shard
   AND id > :after LIMIT :size`,
);
const count = defineQuery<{ records: { toString(): string } }>(
  'record_ids.count',
  `SELECT count(*) AS records FROM record_ids
   WHERE organization_id = :organization_id AND object = :object AND shard = :shard`,
);

export function idShardOf(id: string): number {
  return shardOf(id, RECORD_ID_SHARDS);
}

/** The ids of all records of an organization. */
@Injectable()
export class RecordIdsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async add(organizationId: string, object: string, id: string): Promise<void> {
    const params = { organization_id: organizationId, object, shard: idShardOf(id), id };
    await this.cassandra.run(add, params);
  }

  /** How many ids an object has: of live records, and of deleted ones, for they may come back. */
  async count(organizationId: string, object: string): Promise<number> {
    let total = 0;
    for (let shard = 0; shard < RECORD_ID_SHARDS; shard++) {
      total += await this.countShard(organizationId, object, shard);
    }
    return total;
  }

  /** About how many ids an object has, from the one shard that holds `id`. */
  async estimate(organizationId: string, object: string, id: string): Promise<number> {
    return RECORD_ID_SHARDS * (await this.countShard(organizationId, object, idShardOf(id)));
  }

  /** Every id of an object, a page at a time. Also ids whose record never came to be. */
  async *walk(organizationId: string, object: string): AsyncGenerator<string[]> {
    for (let shard = 0; shard < RECORD_ID_SHARDS; shard++) {
      for (let after = SMALLEST_ID; ;) {
        const params = { organization_id: organizationId, object, shard, after };
        const ids = (await this.cassandra.page(list, params, PAGE)).map(({ id }) => id.toString());
        if (ids.length > 0) yield ids;
        const last = ids.at(-1);
        if (ids.length < PAGE || last === undefined) break;
        after = last;
      }
    }
  }

  private async countShard(organizationId: string, object: string, shard: number): Promise<number> {
    const row = await this.cassandra.first(count, {
      organization_id: organizationId,
      object,
      shard,
    });
    return Number(row?.records.toString() ?? 0);
  }
}
