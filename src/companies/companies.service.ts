import { Injectable } from '@nestjs/common';
import { validationFailed } from '../common/errors';
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
    let parent: string | null = data.parent_id;
    for (let depth = 0; parent !== null; depth++) {
      if (parent === base.id || depth === DEPTH_MAX) {
        const message = 'parent_id must not lead back to the company itself';
        throw validationFailed([{ field: 'parent_id', rule: 'noCycle', message }]);
      }
      const above = await this.kit.records.find(this.key(caller, parent));
      parent = (above?.data as CompanyData | undefined)?.parent_id ?? null;
    }
    return data;
  }
}
