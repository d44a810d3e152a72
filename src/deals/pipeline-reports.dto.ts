import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { STAGE_TYPES, type StageType } from '../pipelines/pipeline';

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

export class PeriodQueryDto {
  /** First month, YYYY-MM in UTC. */
  @ApiPropertyOptional({ example: '2026-01' })
  @IsOptional()
  @Matches(MONTH, { message: 'from must be a month such as 2026-01' })
  from?: string;

  /** Last month, included; at most 24 in all. */
  @ApiPropertyOptional({ example: '2026-12' })
  @IsOptional()
  @Matches(MONTH, { message: 'to must be a month such as 2026-12' })
  to?: string;
}

export const FORECAST_GROUPS = ['month', 'owner'] as const;
export type ForecastGroup = (typeof FORECAST_GROUPS)[number];

export class ForecastQueryDto extends PeriodQueryDto {
  /** One row for each month and currency, or for each owner and currency. */
  @ApiPropertyOptional({ enum: FORECAST_GROUPS, default: 'month' })
  @IsIn(FORECAST_GROUPS)
  group_by: ForecastGroup = 'month';
}

export class MoneyDto {
  /** ISO 4217; null for deals without an amount. */
  @ApiProperty({ type: String, nullable: true, example: 'EUR' })
  currency!: string | null;

  /** Number of deals. */
  @ApiProperty({ type: 'integer', example: 3 })
  count!: number;

  /** Sum of their amounts, in minor units. */
  @ApiProperty({ type: 'integer', example: 3_750_000 })
  amount!: number;

  /** Each amount times its probability: won 100 %, lost 0 %, open as the deal or else its stage says. */
  @ApiProperty({ type: 'integer', example: 2_250_000 })
  weighted!: number;
}

export class BoardStageDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13' })
  stage_id!: string;

  @ApiProperty({ example: 'Proposal' })
  name!: string;

  @ApiProperty({ enum: STAGE_TYPES, example: 'open' })
  type!: StageType;

  /** Percent. */
  @ApiProperty({ type: 'integer', example: 60 })
  probability!: number;

  /** One entry a currency; none where the stage is empty. */
  @ApiProperty({
    type: [MoneyDto],
    example: [{ currency: 'EUR', count: 3, amount: 3_750_000, weighted: 2_250_000 }],
  })
  totals!: MoneyDto[];
}

export class ForecastRowDto extends MoneyDto {
  /** With `group_by=month`: YYYY-MM; null for deals without a close date. */
  @ApiPropertyOptional({ type: String, nullable: true, example: '2026-03' })
  month?: string | null;

  /** With `group_by=owner`: null for deals that are nobody's. */
  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11',
  })
  owner_id?: string | null;
}

export class StageConversionDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13' })
  stage_id!: string;

  @ApiProperty({ example: 'Proposal' })
  name!: string;

  @ApiProperty({ enum: STAGE_TYPES, example: 'open' })
  type!: StageType;

  /** Deals that came into the stage, each counted once. */
  @ApiProperty({ type: 'integer', example: 10 })
  entered!: number;

  /** Of these, how many left it for a later stage, or were won. */
  @ApiProperty({ type: 'integer', example: 4 })
  moved_on!: number;

  /** Left it for an earlier stage, for another pipeline, or for a stage that is no longer there. */
  @ApiProperty({ type: 'integer', example: 1 })
  moved_elsewhere!: number;

  /** Were lost from it. */
  @ApiProperty({ type: 'integer', example: 2 })
  lost!: number;

  /** Are in it now. */
  @ApiProperty({ type: 'integer', example: 3 })
  still_there!: number;

  /** How long the deals that left it were in it, on average; null where none has left. */
  @ApiProperty({ type: 'integer', nullable: true, example: 86_400 })
  average_seconds!: number | null;
}

export class ConversionDto {
  /** In their order. */
  @ApiProperty({
    type: [StageConversionDto],
    example: [
      {
        stage_id: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13',
        name: 'Proposal',
        type: 'open',
        entered: 10,
        moved_on: 4,
        moved_elsewhere: 1,
        lost: 2,
        still_there: 3,
        average_seconds: 86_400,
      },
    ],
  })
  stages!: StageConversionDto[];

  /** Deals that are won, by the month in which they were first. */
  @ApiProperty({ type: 'integer', example: 3 })
  won!: number;

  /** Deals that are lost, by the month in which they were first. */
  @ApiProperty({ type: 'integer', example: 2 })
  lost!: number;
}
