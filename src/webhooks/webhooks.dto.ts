import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsString,
  IsUUID,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import { CHANGE_OBJECTS, type ChangeObject } from '../changes/change';
import { IsText, ToLowerCase } from '../common/validation';
import { EVENT_KINDS, type EventKind } from '../records/record';
import type { Delivery, DeliveryStatus, Webhook } from './webhook';

/** Left out is fine, null is not. */
const IfGiven = () => ValidateIf((_: object, value: unknown) => value !== undefined);

class WebhookFieldsDto {
  /** For people: up to 200 bytes. */
  @ApiPropertyOptional({ example: 'Billing' })
  @IfGiven()
  @IsText({ min: 0, max: 200 })
  description?: string;

  /** Kinds of records to send changes of; all if empty. */
  @ApiPropertyOptional({ enum: CHANGE_OBJECTS, isArray: true, example: ['contacts'] })
  @IfGiven()
  @IsArray()
  @ArrayUnique()
  @IsIn(CHANGE_OBJECTS, { each: true })
  objects?: ChangeObject[];

  /** Kinds of changes to send; all if empty. */
  @ApiPropertyOptional({ enum: EVENT_KINDS, isArray: true, example: ['created', 'updated'] })
  @IfGiven()
  @IsArray()
  @ArrayUnique()
  @IsIn(EVENT_KINDS, { each: true })
  kinds?: EventKind[];

  /** While it is false nothing is sent; what happens meanwhile is sent afterwards. */
  @ApiPropertyOptional({ example: true })
  @IfGiven()
  @IsBoolean()
  enabled?: boolean;
}

export class CreateWebhookDto extends WebhookFieldsDto {
  /** An https address of a public server, on port 443 or 8443; up to 2000 characters. */
  @ApiProperty({ example: 'https://hooks.example.com/crm' })
  @IsString()
  @MaxLength(2000)
  url!: string;
}

export class ChangeWebhookDto extends WebhookFieldsDto {
  /** An https address of a public server, on port 443 or 8443; up to 2000 characters. */
  @ApiPropertyOptional({ example: 'https://hooks.example.com/crm' })
  @IfGiven()
  @IsString()
  @MaxLength(2000)
  url?: string;
}

export class WebhookIdDto {
  /** UUID of a webhook of the own organization. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class DeliveryIdDto extends WebhookIdDto {
  /** As in the list of deliveries. */
  @ApiProperty({ example: '4711' })
  @Matches(/^\d{1,15}$/)
  deliveryId!: string;
}

export class WebhookDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  id!: string;

  /** 1 for a new one, one more with every change; also as the ETag. */
  @ApiProperty({ example: 1 })
  version!: number;

  @ApiProperty({ example: 'https://hooks.example.com/crm' })
  url!: string;

  @ApiProperty({ example: 'Billing' })
  description!: string;

  @ApiProperty({ enum: CHANGE_OBJECTS, isArray: true, example: ['contacts'] })
  objects!: ChangeObject[];

  @ApiProperty({ enum: EVENT_KINDS, isArray: true, example: ['created', 'updated'] })
  kinds!: EventKind[];

  /** False also where its server has failed for 72 hours. */
  @ApiProperty({ example: true })
  enabled!: boolean;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12' })
  created_by!: string;
}

export class NewWebhookDto extends WebhookDto {
  /** Signs the deliveries. It is shown here and never again. */
  @ApiProperty({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=' })
  secret!: string;
}

export class DeliveryDto {
  @ApiProperty({ example: '4711' })
  id!: string;

  @ApiProperty({ enum: CHANGE_OBJECTS, example: 'contacts' })
  object!: string;

  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  record_id!: string;

  @ApiProperty({ example: 2 })
  version!: number;

  /** `dead`: given up after 72 hours; it can be sent again by hand. */
  @ApiProperty({ enum: ['pending', 'delivered', 'dead'], example: 'delivered' })
  status!: DeliveryStatus;

  @ApiProperty({ example: 1 })
  attempts!: number;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  first_at!: Date;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  last_at!: Date;

  /** The status that the last attempt was answered with. */
  @ApiProperty({ type: Number, nullable: true, example: 200 })
  last_status!: number | null;

  /** Why the last attempt failed: `status`, `timeout`, `connection` or `address_refused`. */
  @ApiProperty({ type: String, nullable: true, example: null })
  error!: string | null;

  /** Of the last attempt, in milliseconds. */
  @ApiProperty({ type: Number, nullable: true, example: 83 })
  latency_ms!: number | null;
}

export function toWebhookDto(webhook: Webhook): WebhookDto {
  const { id, version, url, description, objects, kinds, enabled, createdAt, createdBy } = webhook;
  const made = { created_at: createdAt, created_by: createdBy };
  return { id, version, url, description, objects, kinds, enabled, ...made };
}

export function toDeliveryDto(one: Delivery): DeliveryDto {
  return {
    id: String(one.position),
    object: one.object,
    record_id: one.id,
    version: one.version,
    status: one.status,
    attempts: one.attempts,
    first_at: one.firstAt,
    last_at: one.lastAt,
    last_status: one.lastStatus,
    error: one.error,
    latency_ms: one.latencyMs,
  };
}
