import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import { AppError, contended } from '../common/errors';
import { newId } from '../common/operation';
import type { Page, PageQueryDto } from '../common/page';
import type { Principal } from '../common/principal';
import { ObjectService } from '../records/object.service';
import { RecordKit } from '../records/record-kit';
import type { Draft, StoredRecord } from '../records/record';
import { definitionOf } from '../records/record-definition';
import { referenceScope } from '../records/scopes';
import { type PipelineData, pipelines, placed, type StageInput, stageScope } from './pipeline';

export type Pipeline = StoredRecord<PipelineData>;

const ATTEMPTS = 5;

/** What an organization starts with. */
const DEFAULT_NAME = 'Sales';
const DEFAULT_STAGES: readonly StageInput[] = [
  { name: 'Lead', probability: 10, type: 'open' },
  { name: 'Qualified', probability: 30, type: 'open' },
  { name: 'Proposal', probability: 60, type: 'open' },
  { name: 'Negotiation', probability: 80, type: 'open' },
  { name: 'Won', type: 'won' },
  { name: 'Lost', type: 'lost' },
];

@Injectable()
export class PipelinesService extends ObjectService<PipelineData> {
  constructor(kit: RecordKit) {
    super(pipelines, kit);
  }

  /** A page of the pipelines, oldest first. @throws AppError INVALID_CURSOR */
  page(caller: Principal, { limit, cursor }: PageQueryDto): Promise<Page<StoredRecord>> {
    const query = { sort: 'created_at', limit: String(limit) };
    return this.list(caller, cursor === undefined ? query : { ...query, cursor });
  }

  /** A live pipeline, or undefined. */
  async find(caller: Principal, id: string): Promise<Pipeline | undefined> {
    const record = await this.kit.records.find(this.key(caller, id));
    return record?.state === 'live' ? (record as Pipeline) : undefined;
  }

  /** Where deals go that name no pipeline: the oldest there is, made where there is none. */
  async default(caller: Principal): Promise<Pipeline> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const found = (await this.oldest(caller)) ?? (await this.createDefault(caller));
      if (found) return found;
      await sleep(100 * attempt * (0.5 + Math.random()));
    }
    throw contended();
  }

  async oldest(caller: Principal): Promise<Pipeline | undefined> {
    const page = await this.list(caller, { sort: 'created_at', limit: '1' });
    return page.items[0] as Pipeline | undefined;
  }

  protected override async prepare(
    caller: Principal,
    data: PipelineData,
    base?: Pipeline,
  ): Promise<PipelineData> {
    const stages = placed(data.stages, (index) => newId(`stage ${String(index)}`));
    // Whoever moves a deal while this is looked at is not seen: his deal then has a stage that is
    // gone, and gets one with its next move (deals.service.ts).
    const changed = (base?.data.stages ?? []).filter(({ id, type }) =>
      stages.every((one) => one.id !== id || one.type !== type),
    );
    const inUse = await Promise.all(changed.map(({ id }) => this.hasDeals(caller, stageScope(id))));
    const stageIds = changed.filter((_stage, index) => inUse[index]).map(({ id }) => id);
    if (stageIds.length > 0) {
      throw new AppError('CONFLICT', {
        message: 'A stage that deals are in can neither be removed nor change its type.',
        details: { stage_ids: stageIds },
      });
    }
    return { ...data, stages };
  }

  protected override async checkRemoval(caller: Principal, { id }: Pipeline): Promise<void> {
    if (!(await this.hasDeals(caller, referenceScope('pipelines', id)))) return;
    throw new AppError('CONFLICT', {
      message: 'A pipeline that deals are in cannot be deleted.',
    });
  }

  private async hasDeals(caller: Principal, scope: string): Promise<boolean> {
    const deals = definitionOf('deals');
    const { found } = await this.kit.lists.inScope(caller, deals, scope, undefined, 1);
    return found.length > 0;
  }

  /**
   * Makes the first pipeline, whatever the caller may do: it is there for everybody. Of many who try
   * at once its name lets one succeed, and the others get what he made; undefined: not decided yet.
   */
  private async createDefault(caller: Principal): Promise<Pipeline | undefined> {
    const data: PipelineData = {
      owner_id: null,
      tags: [],
      custom: {},
      external_ids: {},
      name: DEFAULT_NAME,
      stages: placed(DEFAULT_STAGES, () => timeOrderedId()),
    };
    const draft: Draft = { state: 'live', data, kind: 'created' };
    const key = this.key(caller, timeOrderedId());
    try {
      const { writer } = this.kit;
      const made = await writer.write(pipelines, caller, key, undefined, draft, timeOrderedId());
      return made as Pipeline | undefined;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'CONFLICT') return undefined;
      if (error.code !== 'DUPLICATE') throw error;
      return this.find(caller, (error.details as { existing_id: string }).existing_id);
    }
  }
}
