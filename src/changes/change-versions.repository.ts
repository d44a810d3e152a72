import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { groupBy } from '../common/group-by';
import { inChunks } from '../common/in-chunks';
import { inParallel } from '../common/in-parallel';
import { shardOf } from '../common/shard-of';

/** Keeps a shard under 100,000 rows up to 6 million records of one object. */
export const VERSION_SHARDS = 64;
const READS_AT_ONCE = 16;
/** Ids in one statement: all of one partition. */
const IDS_AT_ONCE = 100;

const findMany = defineQuery<{ record_id: { toString(): string }; version: number }>(
  'change_versions.findMany',
  `SELECT record_id, version FROM change_versions
   WHERE organization_id = :organization_id AND object = :object AND shard = :shard
   AND record_id IN :ids`,
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

  /** The latest version of each record that is known to be in the log, by `nameOf` it. */
  async findMany(
    organizationId: string,
    records: readonly { object: string; id: string }[],
  ): Promise<Map<string, number>> {
    const versions = new Map<string, number>();
    const byPlace = groupBy(records, ({ object, id }) => `${object} ${String(versionShardOf(id))}`);
    const reads = [...byPlace.values()].flatMap((some) => inChunks(some, IDS_AT_ONCE));
    await inParallel(reads, READS_AT_ONCE, async (some) => {
      const [first] = some;
      if (!first) return;
      const { object, shard } = params(organizationId, first.object, first.id);
      const ids = some.map(({ id }) => id);
      const place = { organization_id: organizationId, object, shard, ids };
      for (const row of await this.cassandra.run(findMany, place)) {
        versions.set(nameOf({ object, id: row.record_id.toString() }), row.version);
      }
    });
    return versions;
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

/** A record of an organization, in one word. */
export function nameOf({ object, id }: { object: string; id: string }): string {
  return `${object} ${id}`;
}

function versionShardOf(id: string): number {
  return shardOf(id, VERSION_SHARDS);
}

function params(organizationId: string, object: string, id: string) {
  return { organization_id: organizationId, object, shard: versionShardOf(id), record_id: id };
}
