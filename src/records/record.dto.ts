import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsUUID, Matches } from 'class-validator';
import { IsText, ToLowerCase } from '../common/validation';
import type { StoredRecord } from './record';
import type { BatchResult } from './record-batch';
import { toBody } from './record-body';
import type { TimelineEntry } from './lists/record-timeline.service';
import type { ChangeEvent } from './record';
import type { Field } from '../fields/field';

/** How many records can be merged into another at a time. */
const LOSERS_MAX = 10;

export class RecordIdDto {
  /** UUID of a record of the own organization. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class ExternalKeyDto {
  /** The other system: 1 to 40 of a-z, 0-9, _ and -. */
  @ApiProperty({ example: 'hubspot' })
  @Matches(/^[a-z0-9][a-z0-9_-]{0,39}$/)
  source!: string;

  /** What that system calls the record, up to 200 bytes. */
  @ApiProperty({ example: '4711' })
  @IsText({ max: 200 })
  key!: string;
}

export class MergeDto {
  /** The records that become part of this one, up to 10. */
  @ApiProperty({
    type: [String],
    format: 'uuid',
    example: ['0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12'],
  })
  @ArrayMinSize(1)
  @ArrayMaxSize(LOSERS_MAX)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  loser_ids!: string[];
}

/** What the store keeps for itself in a record. */
const INTERNAL = new Set(['unmerged', 'merge_id']);

export function toEventBody(event: ChangeEvent) {
  const changes = Object.entries(event.changes).filter(([field]) => !INTERNAL.has(field));
  return {
    version: event.version,
    at: event.at,
    kind: event.kind,
    actor_id: event.actorId,
    api_key_id: event.apiKeyId,
    changes: Object.fromEntries(changes),
  };
}

export function toTimelineBody(entry: TimelineEntry, activityFields: readonly Field[]) {
  const { type, at } = entry;
  return entry.type === 'change'
    ? { type, at, record_id: entry.recordId, change: toEventBody(entry.event) }
    : { type, at, activity: toBody(entry.activity, activityFields) };
}

export function toResultBody(result: BatchResult, fields: readonly Field[]) {
  if ('error' in result) return result;
  const { status, record } = result;
  return record ? { status, data: toBody(record, fields) } : { status };
}

export function toDuplicateBody(
  { record, by }: { record: StoredRecord; by: string[] },
  fields: readonly Field[],
) {
  return { record: toBody(record, fields), by };
}
