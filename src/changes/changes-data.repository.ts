import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { inParallel } from '../common/in-parallel';
import { CHANGE_OBJECTS } from './change';
import { VERSION_SHARDS } from './change-versions.repository';

// Conditional writes take their times from the clocks of the servers, which may be ahead of ours;
// and under an organization that is erased nothing is ever written again.
const CLOCK_MARGIN_MS = 3_600_000;
const AT_ONCE = 16;

const CHUNK = 'organization_id = :organization_id AND chunk = :chunk';
const SHARD = 'organization_id = :organization_id AND object = :object AND shard = :shard';

const eraseChunk = defineQuery(
  'changes.erase',
  `DELETE FROM changes USING TIMESTAMP :microseconds WHERE ${CHUNK}`,
);
const lookAtChunk = defineQuery(
  'changes.look',
  `SELECT organization_id FROM changes WHERE ${CHUNK} LIMIT 1`,
);
const eraseShard = defineQuery(
  'change_versions.erase',
  `DELETE FROM change_versions USING TIMESTAMP :microseconds WHERE ${SHARD}`,
);
const lookAtShard = defineQuery(
  'change_versions.look',
  `SELECT organization_id FROM change_versions WHERE ${SHARD} LIMIT 1`,
);

/** The partitions of an organization's changes, to be deleted for good. */
@Injectable()
export class ChangesDataRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async eraseChunk(organizationId: string, chunk: number): Promise<void> {
    const key = { organization_id: organizationId, chunk };
    await this.cassandra.run(eraseChunk, { ...key, microseconds: eraseTime() });
  }

  async eraseVersions(organizationId: string): Promise<void> {
    await inParallel(shardsOf(organizationId), AT_ONCE, async (key) => {
      await this.cassandra.run(eraseShard, { ...key, microseconds: eraseTime() });
    });
  }

  /** The first chunk leads to the others, and goes last. */
  async whatIsLeft(organizationId: string): Promise<string[]> {
    const left = new Set<string>();
    await inParallel(shardsOf(organizationId), AT_ONCE, async (key) => {
      if (await this.cassandra.first(lookAtShard, key)) left.add('change_versions');
    });
    const first = { organization_id: organizationId, chunk: 0 };
    if (await this.cassandra.first(lookAtChunk, first)) left.add('changes');
    return [...left];
  }
}

function eraseTime(): number {
  return (Date.now() + CLOCK_MARGIN_MS) * 1000;
}

function shardsOf(organizationId: string) {
  return CHANGE_OBJECTS.flatMap((object) =>
    Array.from({ length: VERSION_SHARDS }, (_, shard) => ({
      organization_id: organizationId,
      object,
      shard,
    })),
  );
}
