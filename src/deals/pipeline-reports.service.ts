import { Injectable } from '@nestjs/common';
import { inChunks } from '../common/in-chunks';
import type { Principal } from '../common/principal';
import type { PipelineData } from '../pipelines/pipeline';
import { PipelinesService } from '../pipelines/pipelines.service';
import { readScope } from '../records/record-access';
import { RecordTotals } from '../records/lists/record-totals.service';
import { deals } from './deal';
import {
  boardList,
  conversionList,
  conversionOf,
  forecastList,
  type Group,
  sumMoney,
} from './deal-totals';
import { monthsOf } from './period';
import type {
  BoardStageDto,
  ConversionDto,
  ForecastQueryDto,
  ForecastRowDto,
  PeriodQueryDto,
} from './pipeline-reports.dto';

/** Totals that are read at a time: each is a statement for every bucket. */
const LISTS_AT_ONCE = 6;

/**
 * What is in a pipeline, of the deals that the caller may see: that decides which total is read, and
 * nothing is taken out of it afterwards.
 */
@Injectable()
export class PipelineReports {
  constructor(
    private readonly pipelines: PipelinesService,
    private readonly totals: RecordTotals,
  ) {}

  /** @throws AppError NOT_FOUND */
  async board(caller: Principal, pipelineId: string): Promise<BoardStageDto[]> {
    const list = boardList(pipelineId, readScope(caller, deals));
    const [stages, parts] = await Promise.all([
      this.stagesOf(caller, pipelineId),
      this.groups(caller, [list]),
    ]);
    const sums = sumMoney(
      stages,
      parts.map((part) => ({ ...part, key: part.groups[0] })),
    );
    return stages.map(({ id, name, type, probability }) => ({
      stage_id: id,
      name,
      type,
      probability,
      totals: sums.get(id) ?? [],
    }));
  }

  /** @throws AppError NOT_FOUND, VALIDATION_FAILED */
  async forecast(
    caller: Principal,
    pipelineId: string,
    { group_by: groupBy, ...period }: ForecastQueryDto,
  ): Promise<ForecastRowDto[]> {
    const months = monthsOf(period, new Date(), 'ahead');
    if (period.from === undefined && period.to === undefined) months.push('');
    const stages = await this.stagesOf(caller, pipelineId);
    const scope = readScope(caller, deals);
    const lists = months.map((month) => forecastList(pipelineId, month, scope));
    const found = await this.groups(caller, lists);
    const parts = found.map((part) => ({
      ...part,
      key: groupBy === 'owner' ? part.groups[3] : (months[lists.indexOf(part.list)] ?? ''),
    }));
    // What has no month, or no owner, stands at the end.
    return [...sumMoney(stages, parts)]
      .sort(([a], [b]) => order(a, b))
      .flatMap(([key, sums]) => {
        const value = key === '' ? null : key;
        const group = groupBy === 'owner' ? { owner_id: value } : { month: value };
        return sums.map((sum) => ({ ...group, ...sum }));
      });
  }

  /** @throws AppError NOT_FOUND, VALIDATION_FAILED */
  async conversion(
    caller: Principal,
    pipelineId: string,
    period: PeriodQueryDto,
  ): Promise<ConversionDto> {
    const months = monthsOf(period, new Date(), 'back');
    const stages = await this.stagesOf(caller, pipelineId);
    const scope = readScope(caller, deals);
    const lists = months.map((month) => conversionList(pipelineId, month, scope));
    return conversionOf(stages, await this.groups(caller, lists));
  }

  private async stagesOf(caller: Principal, pipelineId: string) {
    const pipeline = await this.pipelines.get(caller, pipelineId);
    return (pipeline.data as PipelineData).stages;
  }

  private async groups(
    { organizationId }: Principal,
    lists: readonly string[],
  ): Promise<(Group & { list: string })[]> {
    const found: (Group & { list: string })[] = [];
    for (const chunk of inChunks(lists, LISTS_AT_ONCE)) {
      const some = chunk.map(async (list) => {
        const sums = await this.totals.sums(organizationId, deals.object, list);
        return sums.map((sum) => ({ ...sum, list }));
      });
      found.push(...(await Promise.all(some)).flat());
    }
    return found;
  }
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  if (a === '' || b === '') return a === '' ? 1 : -1;
  return a < b ? -1 : 1;
}
