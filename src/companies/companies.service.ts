import { Injectable } from '@nestjs/common';
import { AppError, validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';
import { ObjectService } from '../records/object.service';
import { RecordKit } from '../records/record-kit';
import type { StoredRecord } from '../records/record';
import { companies, type CompanyData } from './company';

/** Companies above a company: enough for any real group, and an end for any loop. */
const DEPTH_MAX = 20;

@Injectable()
export class CompaniesService extends ObjectService<CompanyData> {
  constructor(kit: RecordKit) {
    super(companies, kit);
  }

  /** No company belongs to itself, over however many others. */
  protected override async prepare(
    caller: Principal,
    data: CompanyData,
    base?: StoredRecord<CompanyData>,
  ): Promise<CompanyData> {
    if (!base || data.parent_id === null || data.parent_id === base.data.parent_id) return data;
    const above = await this.companiesAbove(caller, data);
    if (above.includes(base.id) || above.length > DEPTH_MAX) {
      const message = 'parent_id must not lead back to the company itself';
      throw validationFailed([{ field: 'parent_id', rule: 'noCycle', message }]);
    }
    return data;
  }

  /** A company that is merged with one above it would belong to itself. */
  protected override async checkMerge(
    caller: Principal,
    winner: StoredRecord<CompanyData>,
    losers: readonly StoredRecord<CompanyData>[],
  ): Promise<void> {
    const all = [winner, ...losers];
    const above = await Promise.all(all.map(({ data }) => this.companiesAbove(caller, data)));
    if (!all.some(({ id }) => above.flat().includes(id))) return;
    throw new AppError('UNPROCESSABLE', {
      message: 'One of the companies belongs to another of them: change its parent_id first.',
    });
  }

  /** The ids of the companies that one belongs to, directly or over others: one too many at most. */
  private async companiesAbove(caller: Principal, { parent_id }: CompanyData): Promise<string[]> {
    const above: string[] = [];
    for (let next = parent_id; next !== null && above.length <= DEPTH_MAX;) {
      above.push(next);
      const parent = await this.kit.records.find(this.key(caller, next));
      next = (parent?.data as CompanyData | undefined)?.parent_id ?? null;
    }
    return above;
  }
}
