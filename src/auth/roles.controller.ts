import { Controller, Get } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import {
  GRANTS,
  type Permission,
  PERMISSIONS,
  type Role,
  ROLES,
  type Scope,
} from '../common/permissions';

export class RoleDto {
  @ApiProperty({ enum: ROLES, example: 'member' })
  role!: Role;

  /** For each permission which records it reaches: `none`, `own` or `all`. */
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string', enum: ['none', 'own', 'all'] },
    example: Object.fromEntries(PERMISSIONS.map((name) => [name, GRANTS.member[name]])),
  })
  permissions!: Record<Permission, Scope>;
}

@ApiTags('Users')
@Controller('api/v1/roles')
export class RolesController {
  @Get()
  @Endpoint({
    access: 'self:read',
    summary: 'Read what each role may do',
    returns: RoleDto,
    many: true,
  })
  list(): RoleDto[] {
    return ROLES.map((role) => ({ role, permissions: GRANTS[role] }));
  }
}
