import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

/** Keeps a shard under 100,000 rows up to 6 million records of one object. */
export const VERSION_SHARDS = 64;

const KEY = `organization_id = :organization_id AND object = :object AND shard = :shard
  AND record_id = :record_id`;

const find = defineQuery<{ version: number }>(
  'change_versions.find',
  `SELECT version FROM change_versions WHERE ${KEY}`,
);
const put = defineQuery(
  'change_versions.put',
  `INSERT INTO change_versions (organization_id, object, shard, record_id, version)
   VALUES (:organization_id, :object, :shard, :record_id, :version) USING TIMESTAMP :time`,
);
const findWindow = defineQuery<{ window: Date }>(
  'sequencers.find',
  'SELECT window FROM sequencers WHERE shard = :shard',
);
const putWindow = defineQuery(
  'sequencers.put',
  'INSERT INTO sequencers (shard, window) VALUES (:shard, :window)',
);

/** How far the log of changes has come: for each record, and for each sequencer. */
@Injectable()
export class ChangeVersionsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** The latest version of a record that is known to be in the log; 0 for none. */
  async find(organizationId: string, object: string, id: string): Promise<number> {
    const row = await this.cassandra.first(find, params(organizationId, object, id));
    return row?.version ?? 0;
  }

  /** Notes versions that are in the log. An older one than is noted changes nothing. */
  async put(
    organizationId: string,
    versions: readonly { object: string; id: string; version: number }[],
  ): Promise<void> {
    await this.cassandra.scatter(
      versions.map(({ object, id, version }) => ({
        query: put,
        params: { ...params(organizationId, object, id), version, time: version },
      })),
    );
  }

  /** The first window of a shard that is not known to be done; undefined before the first round. */
  async sequencedUntil(shard: number): Promise<Date | undefined> {
    return (await this.cassandra.first(findWindow, { shard }))?.window;
  }

  async setSequencedUntil(shard: number, window: Date): Promise<void> {
    await this.cassandra.run(putWindow, { shard, window });
  }
}

function params(organizationId: string, object: string, id: string) {
  const shard = createHash('sha1').update(id).digest().readUInt32BE(0) % VERSION_SHARDS;
  return { organization_id: organizationId, object, shard, record_id: id };
}
