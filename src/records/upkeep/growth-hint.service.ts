import { Injectable } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { shardOf } from '../../common/shard-of';
import { bucketsFor } from './rebucket.service';
import { LayoutsRepository } from '../store/layouts.repository';
import { RecordIdsRepository } from '../store/record-ids.repository';
import type { RecordKey } from '../store/records.repository';

/** One creation in so many is looked at. */
const SAMPLED = 1000;

/** By the id alone: no process has to count. */
export function isSampled(id: string): boolean {
  return shardOf(id, SAMPLED, 8) === 0;
}

/** Tells in the log when the records of an organization have outgrown their buckets. */
@Injectable()
export class GrowthHint {
  constructor(
    private readonly ids: RecordIdsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly logger: PinoLogger,
  ) {}

  /** To be called for every record that was created. Nobody waits for it, and it never fails. */
  created(key: RecordKey): void {
    if (!isSampled(key.id)) return;
    this.look(key).catch((error: unknown) => {
      this.logger.debug({ err: error }, 'the size of an organization could not be looked at');
    });
  }

  private async look({ organizationId, object, id }: RecordKey): Promise<void> {
    const [records, { writeBuckets }] = await Promise.all([
      this.ids.estimate(organizationId, object, id),
      this.layouts.get(organizationId, object),
    ]);
    const [buckets = 1, growing] = writeBuckets;
    if (growing !== undefined || bucketsFor(records, buckets) === buckets) return;
    this.logger.warn(
      { organization_id: organizationId, object, records, buckets },
      'records have outgrown their buckets, lists will get slow: npm run rebucket',
    );
  }
}
