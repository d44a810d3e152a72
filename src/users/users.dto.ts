import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsUUID, ValidateIf } from 'class-validator';
import { type Role, ROLES } from '../common/permissions';
import { IsText, ToLowerCase, Trim } from '../common/validation';
import { type User, USER_STATUSES, type UserStatus } from './user';

export const NAME_MAX_BYTES = 200;

/** The field may be missing, but null is a value like any other and must be valid. */
export const IsOptionalButNotNull = () =>
  ValidateIf((_object, value: unknown) => value !== undefined);

/** The field may be missing, or null to clear it. */
export const IsClearable = () =>
  ValidateIf((_object, value: unknown) => value !== undefined && value !== null);

export class UserIdDto {
  /** UUID of a user of the own organization. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class UserDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  id!: string;

  @ApiProperty({ example: 'org_123' })
  organization_id!: string;

  @ApiProperty({ format: 'email', example: 'alice@example.com' })
  email!: string;

  @ApiProperty({ type: String, nullable: true, example: 'Alice' })
  first_name!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'Smith' })
  last_name!: string | null;

  @ApiProperty({ enum: ROLES, example: 'admin' })
  role!: Role;

  /** A deactivated user cannot sign in. */
  @ApiProperty({ enum: USER_STATUSES, example: 'active' })
  status!: UserStatus;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  updated_at!: Date;
}

/** An allow-list: what is not named here never leaves the server. */
export function toUserDto(user: User): UserDto {
  return {
    id: user.id,
    organization_id: user.organizationId,
    email: user.email,
    first_name: user.firstName,
    last_name: user.lastName,
    role: user.role,
    status: user.status,
    created_at: user.createdAt,
    updated_at: user.updatedAt,
  };
}

export class ChangeMeDto {
  /** Up to 200 bytes; null clears it. */
  @ApiPropertyOptional({ type: String, nullable: true, example: 'Alice' })
  @Trim()
  @IsClearable()
  @IsText({ max: NAME_MAX_BYTES })
  first_name?: string | null;

  /** Up to 200 bytes; null clears it. */
  @ApiPropertyOptional({ type: String, nullable: true, example: 'Liddell' })
  @Trim()
  @IsClearable()
  @IsText({ max: NAME_MAX_BYTES })
  last_name?: string | null;
}

export class ChangeUserDto extends ChangeMeDto {
  /** Nobody changes his own; the last active admin keeps his. */
  @ApiPropertyOptional({ enum: ROLES, example: 'manager' })
  @IsOptionalButNotNull()
  @IsIn(ROLES)
  role?: Role;

  /** `deactivated` ends the user's access at his next request, `active` gives it back. */
  @ApiPropertyOptional({ enum: USER_STATUSES, example: 'active' })
  @IsOptionalButNotNull()
  @IsIn(USER_STATUSES)
  status?: UserStatus;
}
