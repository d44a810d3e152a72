import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import type { UniqueValue } from '../record';
import { RECORD_ID_SHARDS } from './record-ids.repository';
import type { DerivedRow } from './derived-rows';
import { type DerivedPartition, partitionKey } from './derived-rows.repository';
import type { RecordKey } from './records.repository';

// Conditional writes take their times from the clocks of the servers, which may be ahead of ours;
// and under an organization that is erased nothing is ever written again.
const CLOCK_MARGIN_MS = 3_600_000;

function erasable(table: string, ...key: string[]) {
  const where = ['organization_id', ...key].map((name) => `${name} = :${name}`).join(' AND ');
  return {
    erase: defineQuery(
      `${table}.erase`,
      `DELETE FROM ${table} USING TIMESTAMP :microseconds WHERE ${where}`,
    ),
    look: defineQuery<{ organization_id: string }>(
      `${table}.look`,
      `SELECT organization_id FROM ${table} WHERE ${where} LIMIT 1`,
    ),
  };
}

const records = erasable('records', 'object', 'id');
const uniqueValues = erasable('unique_values', 'object', 'field', 'value');
const recordIds = erasable('record_ids', 'object', 'shard');
const listRows = erasable('list_rows', 'object', 'list', 'bucket');
const totalRows = erasable('total_rows', 'object', 'list', 'bucket');
const totalSums = erasable('total_sums', 'object', 'list', 'bucket');
const mergeSteps = erasable('merge_steps', 'merge_id');
const layouts = erasable('layouts');

/** The partitions of an organization's records, to be deleted for good. */
@Injectable()
export class RecordDataRepository {
  constructor(private readonly cassandra: CassandraService) {}

  eraseRecord({ organizationId, object, id }: RecordKey): Promise<void> {
    return this.erase(records, { organization_id: organizationId, object, id });
  }

  eraseClaim(organizationId: string, object: string, unique: UniqueValue): Promise<void> {
    return this.erase(uniqueValues, { organization_id: organizationId, object, ...unique });
  }

  async eraseDerived(table: DerivedRow['table'], partition: DerivedPartition): Promise<void> {
    const key = partitionKey(partition);
    if (table === 'list_rows') return this.erase(listRows, key);
    await this.erase(totalRows, key);
    await this.erase(totalSums, key);
  }

  eraseMergeSteps(organizationId: string, mergeId: string): Promise<void> {
    return this.erase(mergeSteps, { organization_id: organizationId, merge_id: mergeId });
  }

  /** What leads to all the others: last. */
  async eraseIds(organizationId: string, object: string): Promise<void> {
    for (let shard = 0; shard < RECORD_ID_SHARDS; shard++) {
      await this.erase(recordIds, { organization_id: organizationId, object, shard });
    }
  }

  eraseLayouts(organizationId: string): Promise<void> {
    return this.erase(layouts, { organization_id: organizationId });
  }

  /** Deletes a partition and looks whether it is gone. @throws Error where it is not */
  private async erase(
    table: ReturnType<typeof erasable>,
    key: { organization_id: string } & Record<string, unknown>,
  ): Promise<void> {
    const microseconds = (Date.now() + CLOCK_MARGIN_MS) * 1000;
    await this.cassandra.run(table.erase, { ...key, microseconds });
    if (await this.cassandra.first(table.look, key)) {
      throw new Error(`A partition is still there after ${table.erase.name}`);
    }
  }
}
