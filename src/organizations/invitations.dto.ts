import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsUUID } from 'class-validator';
import { type Role, ROLES } from '../common/permissions';
import { IsEmailAddress, ToLowerCase } from '../common/validation';
import { IsOptionalButNotNull } from '../users/users.dto';
import type { Invitation } from './invitation';

const STATUSES = ['pending', 'accepted', 'cancelled'] as const;

export class InviteDto {
  /** Who is invited; he joins with this address and no other. */
  @ApiProperty({ format: 'email', example: 'bob@example.com' })
  @IsEmailAddress()
  email!: string;

  /** The role he will have; `member` unless told. */
  @ApiPropertyOptional({ enum: ROLES, example: 'member' })
  @IsOptionalButNotNull()
  @IsIn(ROLES)
  role?: Role;
}

export class InvitationIdDto {
  /** UUID of an invitation of the own organization. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class InvitationDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c13' })
  id!: string;

  @ApiProperty({ format: 'email', example: 'bob@example.com' })
  email!: string;

  @ApiProperty({ enum: ROLES, example: 'member' })
  role!: Role;

  @ApiProperty({ enum: STATUSES, example: 'pending' })
  status!: (typeof STATUSES)[number];

  /** Id of the user who sent it. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  invited_by!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  /** Three days after it was created; then it leaves the list. */
  @ApiProperty({ format: 'date-time', example: '2026-02-03T09:30:00.000Z' })
  expires_at!: Date;
}

export function toInvitationDto(invitation: Invitation): InvitationDto {
  return {
    id: invitation.id,
    email: invitation.email,
    role: invitation.role,
    // Being accepted is a matter of milliseconds, or of a crash that will be made good.
    status: invitation.status === 'accepting' ? 'pending' : invitation.status,
    invited_by: invitation.invitedBy,
    created_at: invitation.createdAt,
    expires_at: invitation.expiresAt,
  };
}
