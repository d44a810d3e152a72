import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { type Role, ROLES } from '../common/permissions';
import type { Principal } from '../common/principal';
import { IsEmailAddress, IsText, ToLowerCase, Trim } from '../common/validation';
import {
  IsClearable,
  IsOptionalButNotNull,
  NAME_MAX_BYTES,
  toUserDto,
  UserDto,
} from '../users/users.dto';
import { IsNewPassword } from './password-rules';
import type { Session, SignIn } from './session';

const PASSWORD_EXAMPLE = 'correct-horse-42';

class OrganizationAndEmailDto {
  /** 3 to 64 of letters, digits, `_` and `-`, beginning with a letter or digit. Case matters. */
  @ApiProperty({ example: 'org_123', minLength: 3, maxLength: 64 })
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/, {
    message:
      '$property must be 3 to 64 of letters, digits, _ and -, beginning with a letter or digit',
  })
  organization_id!: string;

  /** Case does not matter. Up to 254 bytes. */
  @ApiProperty({ format: 'email', example: 'alice@example.com' })
  @IsEmailAddress()
  email!: string;
}

export class RegisterDto extends OrganizationAndEmailDto {
  /** At least 8 characters, at most 72 UTF-8 bytes, and none of the most used passwords. */
  @ApiProperty({ format: 'password', example: PASSWORD_EXAMPLE, minLength: 8 })
  @IsNewPassword()
  password!: string;

  /** Up to 200 bytes. */
  @ApiPropertyOptional({ type: String, nullable: true, example: 'Alice' })
  @Trim()
  @IsClearable()
  @IsText({ max: NAME_MAX_BYTES })
  first_name?: string | null;

  /** Up to 200 bytes. */
  @ApiPropertyOptional({ type: String, nullable: true, example: 'Smith' })
  @Trim()
  @IsClearable()
  @IsText({ max: NAME_MAX_BYTES })
  last_name?: string | null;

  /** What an admin gives the user he adds; `member` unless told. The first user is always `admin`. */
  @ApiPropertyOptional({ enum: ROLES, example: 'admin' })
  @IsOptionalButNotNull()
  @IsIn(ROLES)
  role?: Role;

  /** From the link of an invitation: the way into an organization that exists. */
  @ApiPropertyOptional({ type: String })
  @IsOptionalButNotNull()
  @IsString()
  @MaxLength(200)
  invitation_token?: string;
}

export class ForgotPasswordDto extends OrganizationAndEmailDto {}

export class ResetPasswordDto {
  /** The organization in the link. */
  @ApiProperty({ example: 'org_123' })
  @IsText({ max: 64 })
  organization_id!: string;

  /** The token in the link. */
  @ApiProperty({ example: 'AZfBsnpTfDGdLg9vKmuMEQGXwbJ6U3wxnS4Pbyprjt-3yB4s' })
  @IsString()
  @MaxLength(200)
  token!: string;

  /** At least 8 characters, at most 72 UTF-8 bytes, and none of the most used passwords. */
  @ApiProperty({ format: 'password', example: 'another-horse-43', minLength: 8 })
  @IsNewPassword()
  new_password!: string;
}

export class LoginDto extends OrganizationAndEmailDto {
  @ApiProperty({ format: 'password', example: PASSWORD_EXAMPLE })
  @IsString()
  @MaxLength(1000)
  password!: string;
}

export class RefreshDto {
  /** The latest refresh token of the session; each one is good once. */
  @ApiProperty({ example: 'AZfBsnpTfDGdLg9vKmuMEQGXwbJ6U3wxnS4Pbyprjt-3yB4s' })
  @IsString()
  @MaxLength(500)
  refresh_token!: string;
}

export class SignInDto {
  @ApiProperty()
  user!: UserDto;

  /** Send it as `Authorization: Bearer …`. Absent where an admin added the user. */
  @ApiPropertyOptional({ example: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln' })
  access_token?: string;

  @ApiPropertyOptional({ enum: ['Bearer'] })
  token_type?: 'Bearer';

  /** Seconds the access token is good for. */
  @ApiPropertyOptional({ example: 86_400 })
  expires_in?: number;

  /** Trade it at `/api/auth/refresh` for the next pair. */
  @ApiPropertyOptional({ example: 'AZfBsnpTfDGdLg9vKmuMEQGXwbJ6U3wxnS4Pbyprjt-3yB4s' })
  refresh_token?: string;
}

export function toSignInDto({ user, tokens }: SignIn): SignInDto {
  if (!tokens) return { user: toUserDto(user) };
  return {
    user: toUserDto(user),
    access_token: tokens.accessToken,
    token_type: 'Bearer',
    expires_in: tokens.expiresIn,
    refresh_token: tokens.refreshToken,
  };
}

export class ChangePasswordDto {
  @ApiProperty({ format: 'password', example: PASSWORD_EXAMPLE })
  @IsString()
  @MaxLength(1000)
  current_password!: string;

  /** At least 8 characters, at most 72 UTF-8 bytes, and none of the most used passwords. */
  @ApiProperty({ format: 'password', example: 'another-horse-43', minLength: 8 })
  @IsNewPassword()
  new_password!: string;
}

export class SessionIdDto {
  /** UUID of one of the own sessions. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class SessionDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c12' })
  id!: string;

  /** True for the session of the token that asks. */
  @ApiProperty({ example: true })
  current!: boolean;

  /** Address of the last sign-in or refresh. */
  @ApiProperty({ type: String, nullable: true, example: '203.0.113.7' })
  ip!: string | null;

  /** Program of the last sign-in or refresh, in its own words. */
  @ApiProperty({ type: String, nullable: true, example: 'Mozilla/5.0' })
  user_agent!: string | null;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  refreshed_at!: Date;

  /** The session ends then, however often it is refreshed. */
  @ApiProperty({ format: 'date-time', example: '2026-03-02T09:30:00.000Z' })
  expires_at!: Date;
}

export function toSessionDto(session: Session, caller: Principal): SessionDto {
  return {
    id: session.id,
    current: session.id === caller.sessionId,
    ip: session.device.ip,
    user_agent: session.device.userAgent,
    created_at: session.createdAt,
    refreshed_at: session.refreshedAt,
    expires_at: session.expiresAt,
  };
}
