import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsUUID, Max, Min } from 'class-validator';
import { type Role, ROLES } from '../common/permissions';
import { IsText, ToLowerCase, Trim } from '../common/validation';
import type { ApiKey } from './api-key';

export class CreateApiKeyDto {
  /** What the key is for, up to 200 bytes. */
  @ApiProperty({ example: 'Newsletter sync' })
  @Trim()
  @IsText({ max: 200 })
  name!: string;

  /** At most the own role. */
  @ApiProperty({ enum: ROLES, example: 'viewer' })
  @IsIn(ROLES)
  role!: Role;

  /** Days until the key stops working: 1 to 365, 90 unless told. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 365, default: 90, example: 90 })
  @IsInt()
  @Min(1)
  @Max(365)
  expires_in_days: number = 90;
}

export class ApiKeyIdDto {
  /** UUID of a key of the own organization. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c14' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class ApiKeyDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c14' })
  id!: string;

  @ApiProperty({ example: 'Newsletter sync' })
  name!: string;

  @ApiProperty({ enum: ROLES, example: 'viewer' })
  role!: Role;

  /** Id of the user in whose name it acts; it ends with him. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  created_by!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  @ApiProperty({ format: 'date-time', example: '2026-05-01T09:30:00.000Z' })
  expires_at!: Date;

  /** To the hour; null while it has not been used. */
  @ApiProperty({ type: Date, nullable: true, example: '2026-02-01T10:12:00.000Z' })
  last_used_at!: Date | null;
}

export class NewApiKeyDto extends ApiKeyDto {
  /** Send it as `Authorization: Bearer …`. It is shown here and never again. */
  @ApiProperty({ example: 'crm_AZfBsnpTfDGdLg9vKmuMEQ' })
  key!: string;
}

export function toApiKeyDto(key: ApiKey): ApiKeyDto {
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    created_by: key.createdBy,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    last_used_at: key.lastUsedAt,
  };
}
