import { Injectable } from '@nestjs/common';
import { DerivedRowsRepository, type TotalSum } from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';

/** Sums of what records add to totals: always those of the records as they are. */
@Injectable()
export class RecordTotals {
  constructor(
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
  ) {}

  /** Count and sum of every group of one total; a group may come once for each bucket. */
  async sums(organizationId: string, object: string, list: string): Promise<TotalSum[]> {
    return this.layouts.reading(organizationId, object, (buckets) =>
      this.derived.sums({ organizationId, object, list }, buckets),
    );
  }
}
