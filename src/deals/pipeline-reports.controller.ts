import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { RecordIdDto } from '../records/record.dto';
import {
  BoardStageDto,
  ConversionDto,
  ForecastQueryDto,
  ForecastRowDto,
  PeriodQueryDto,
} from './pipeline-reports.dto';
import { PipelineReports } from './pipeline-reports.service';

const SEEN = 'Of the deals that the caller may see.';

@ApiTags('Pipelines')
@Controller('api/v1/pipelines')
export class PipelineReportsController {
  constructor(private readonly reports: PipelineReports) {}

  @Get(':id/board')
  @Endpoint({
    access: 'deals:read',
    summary: 'Read how many deals are in each stage, and what they are worth',
    description: SEEN,
    returns: BoardStageDto,
    many: true,
  })
  board(@Caller() caller: Principal, @Param() { id }: RecordIdDto): Promise<BoardStageDto[]> {
    return this.reports.board(caller, id);
  }

  @Get(':id/forecast')
  @Endpoint({
    access: 'deals:read',
    summary: 'Read what deals are likely to bring, by the month of their close date',
    description:
      `${SEEN} Lost deals count, with a weight of 0. Without \`from\` and \`to\`: this month, the 11 ` +
      'after it, and the deals without a close date, which are in no other answer.',
    returns: ForecastRowDto,
    many: true,
  })
  forecast(
    @Caller() caller: Principal,
    @Param() { id }: RecordIdDto,
    @Query() query: ForecastQueryDto,
  ): Promise<ForecastRowDto[]> {
    return this.reports.forecast(caller, id, query);
  }

  @Get(':id/conversion')
  @Endpoint({
    access: 'deals:read',
    summary: 'Read what became of the deals in each stage, and how long it took',
    description:
      `${SEEN} \`from\` and \`to\` say when a deal first came into the stage; without them it is the ` +
      'last 12 months. A deal that was in a stage several times counts once, with what it did last.',
    returns: ConversionDto,
  })
  conversion(
    @Caller() caller: Principal,
    @Param() { id }: RecordIdDto,
    @Query() query: PeriodQueryDto,
  ): Promise<ConversionDto> {
    return this.reports.conversion(caller, id, query);
  }
}
