import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayUnique, IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { PageQueryDto } from '../common/page';
import { EVENT_KINDS, type EventKind } from '../records/record';
import { toEventBody } from '../records/record.dto';
import { type Change, CHANGE_OBJECTS, type ChangeObject } from './change';

const WAIT_MAX_SECONDS = 30;

export class ChangesQueryDto extends PageQueryDto {
  /** Kinds of records to tell of, with commas between them; all unless told. */
  @ApiPropertyOptional({
    type: 'string',
    default: CHANGE_OBJECTS.join(','),
    description: 'Kinds of records to tell of, with commas between them; all unless told.',
  })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.split(',') : value,
  )
  @IsIn(CHANGE_OBJECTS, { each: true })
  @ArrayUnique()
  objects: readonly ChangeObject[] = CHANGE_OBJECTS;

  /** How many seconds to wait for a change where there is none yet: 0 to 30, 0 unless told. */
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: WAIT_MAX_SECONDS, default: 0 })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
  )
  @IsInt()
  @Min(0)
  @Max(WAIT_MAX_SECONDS)
  wait: number = 0;

  /** `now`: no changes, only the cursor behind the latest one. */
  @ApiPropertyOptional({
    enum: ['now'],
    description: '`now`: no changes, only the cursor behind the latest one.',
  })
  @IsOptional()
  @IsIn(['now'])
  from?: 'now';
}

/** One version of a record. */
export class ChangeDto {
  @ApiProperty({ enum: CHANGE_OBJECTS, example: 'contacts' })
  object!: string;

  /** Of the record. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  id!: string;

  /** 1 for a new record, one more with every change. */
  @ApiProperty({ example: 2 })
  version!: number;

  @ApiProperty({ enum: EVENT_KINDS, example: 'updated' })
  kind!: EventKind;

  /** When it was made: of one record never earlier than the change before. */
  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  at!: Date;

  /** The user who made it. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12' })
  changed_by!: string;

  /** The key that was used, if it was a program. */
  @ApiProperty({ type: String, nullable: true, example: null })
  api_key_id!: string | null;

  /** By field, from which value to which; one that was not there before or is not after is left out. */
  @ApiProperty({
    type: 'object',
    additionalProperties: {
      type: 'object',
      properties: { from: { nullable: true }, to: { nullable: true } },
    },
    example: { title: { from: null, to: 'CTO' } },
  })
  changes!: Record<string, { from?: unknown; to?: unknown }>;
}

export function toChangeDto({ object, id, event }: Change): ChangeDto {
  const { version, kind, at, api_key_id, changes } = toEventBody(event);
  return { object, id, version, kind, at, changed_by: event.actorId, api_key_id, changes };
}
