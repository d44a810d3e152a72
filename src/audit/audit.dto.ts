import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsDate, IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQueryDto } from '../common/page';
import { ToLowerCase } from '../common/validation';
import {
  AUDIT_ACTIONS,
  AUDIT_OUTCOMES,
  type AuditAction,
  type AuditEntry,
  type AuditOutcome,
} from './audit-event';

/** RFC 3339 in UTC, as we write it ourselves; anything else stays text and is refused. */
const ToDate = () =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(value)
      ? new Date(value)
      : value,
  );

export class AuditQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ enum: AUDIT_ACTIONS, example: 'user.changed' })
  @IsOptional()
  @IsIn(AUDIT_ACTIONS)
  action?: AuditAction;

  /** Id of the user who did it. */
  @ApiPropertyOptional({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  @IsOptional()
  @ToLowerCase()
  @IsUUID()
  actor_id?: string;

  /** Not before this moment. */
  @ApiPropertyOptional({ type: String, format: 'date-time', example: '2026-01-01T00:00:00.000Z' })
  @IsOptional()
  @ToDate()
  @IsDate({ message: '$property must be a time such as 2026-01-31T09:30:00.000Z' })
  from?: Date;

  /** Before this moment. */
  @ApiPropertyOptional({ type: String, format: 'date-time', example: '2030-01-01T00:00:00.000Z' })
  @IsOptional()
  @ToDate()
  @IsDate({ message: '$property must be a time such as 2026-01-31T09:30:00.000Z' })
  to?: Date;
}

export class AuditEntryDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c15' })
  id!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  at!: Date;

  @ApiProperty({ enum: AUDIT_ACTIONS, example: 'user.changed' })
  action!: AuditAction;

  /** `unknown`: a crash or an outage came in between, and the change may have happened or not. */
  @ApiProperty({ enum: AUDIT_OUTCOMES, example: 'success' })
  outcome!: AuditOutcome;

  /** Null for somebody who had not signed in. */
  @ApiProperty({ type: String, nullable: true, example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  actor_id!: string | null;

  /** The key that was used, if it was a program. */
  @ApiProperty({
    type: String,
    nullable: true,
    example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c14',
  })
  api_key_id!: string | null;

  /** The record it was done to. */
  @ApiProperty({ type: String, nullable: true, example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  target_id!: string | null;

  @ApiProperty({
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string' },
    example: { role: 'manager' },
  })
  details!: Record<string, string> | null;

  @ApiProperty({ type: String, nullable: true, example: '203.0.113.7' })
  ip!: string | null;

  /** The X-Request-Id of the request, as it is in the logs. */
  @ApiProperty({ type: String, nullable: true, example: 'f9228d23-c529-416e-9381-fb4d7adb319d' })
  request_id!: string | null;
}

export function toAuditEntryDto(entry: AuditEntry): AuditEntryDto {
  return {
    id: entry.id,
    at: entry.at,
    action: entry.action,
    outcome: entry.outcome,
    actor_id: entry.actor?.userId ?? null,
    api_key_id: entry.actor?.apiKeyId ?? null,
    target_id: entry.targetId ?? null,
    details: entry.details ?? null,
    ip: entry.ip,
    request_id: entry.requestId,
  };
}
