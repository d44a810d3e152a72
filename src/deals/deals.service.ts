import { Injectable } from '@nestjs/common';
import { validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';
import { OrganizationsService } from '../organizations/organizations.service';
import { type Pipeline, PipelinesService } from '../pipelines/pipelines.service';
import { ObjectService } from '../records/object.service';
import { RecordKit } from '../records/record-kit';
import type { StoredRecord } from '../records/record';
import { deals } from './deal';
import type { DealData } from './deal-data';
import { type Before, chosenStage, inStage, lostReason } from './deal-stages';

@Injectable()
export class DealsService extends ObjectService<DealData> {
  constructor(
    kit: RecordKit,
    private readonly pipelines: PipelinesService,
    private readonly organizations: OrganizationsService,
  ) {
    super(deals, kit);
  }

  protected override async prepare(
    caller: Principal,
    data: DealData,
    base?: StoredRecord<DealData>,
  ): Promise<DealData> {
    const currency = await this.currencyOf(caller, data);
    const deal = { ...data, currency };
    const pipeline = await this.pipelineOf(caller, data, base);
    const stages = pipeline && { id: pipeline.id, stages: pipeline.data.stages };
    const stage = stages && chosenStage(deal, stages, base);
    // Its stage went while it came in: it waits for somebody to move it.
    if (!stages || !stage) return deal;
    deal.lost_reason = lostReason(deal, stage, base);
    return inStage(deal, stages.id, stage, base?.data, new Date());
  }

  /** Money has a currency, and nothing else has: a merge would take one without the other. */
  private async currencyOf(
    caller: Principal,
    { amount, currency }: DealData,
  ): Promise<string | null> {
    if (amount === null) return null;
    return currency ?? (await this.organizations.get(caller)).currency;
  }

  private async pipelineOf(
    caller: Principal,
    { pipeline_id: id }: DealData,
    before: Before | undefined,
  ): Promise<Pipeline | undefined> {
    const pipeline = id === null ? undefined : await this.pipelines.find(caller, id);
    if (pipeline) return pipeline;
    const returns = before !== undefined && before.state !== 'live';
    if (id === null || returns) return this.pipelines.default(caller);
    if (id === before?.data.pipeline_id) return undefined;
    const message = 'pipeline_id must be of pipelines that exist';
    throw validationFailed([{ field: 'pipeline_id', rule: 'reference', message }]);
  }
}
