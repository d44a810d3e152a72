import { Injectable } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { SharedRuns } from '../../common/shared-runs';
import { allBuckets } from '../store/derived-rows';
import type { DerivedPartition } from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';
import { type TotalSum, TotalSumsRepository } from '../store/total-sums.repository';

/** Sums of what records add to totals: always those of the records as they are. */
@Injectable()
export class RecordTotals {
  private readonly additions = new SharedRuns<TotalSum[]>();

  constructor(
    private readonly totals: TotalSumsRepository,
    private readonly layouts: LayoutsRepository,
    private readonly logger: PinoLogger,
  ) {}

  /** Count and sum of every group of one total; a group may come once for each bucket. */
  async sums(organizationId: string, object: string, list: string): Promise<TotalSum[]> {
    return this.layouts.reading(organizationId, object, async (buckets) => {
      const sums = allBuckets(buckets).map((bucket) =>
        this.bucketSums({ organizationId, object, list, bucket }),
      );
      return (await Promise.all(sums)).flat();
    });
  }

  private async bucketSums(partition: DerivedPartition): Promise<TotalSum[]> {
    const { current } = await this.totals.find(partition);
    if (current) return current;
    const { organizationId, object, list, bucket } = partition;
    return this.additions.run([organizationId, object, list, bucket].join('\u0000'), async () => {
      // Again: whoever had to wait for his turn mostly finds them now.
      const { marks, current } = await this.totals.find(partition);
      if (current) return current;
      const sums = await this.totals.addUp(partition);
      try {
        await this.totals.keep(partition, marks, sums);
      } catch (error) {
        this.logger.warn({ err: error }, 'a sum could not be kept: it is added up again');
      }
      return sums;
    });
  }
}
