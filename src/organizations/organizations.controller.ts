import { Controller, Get } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { OrganizationsService } from './organizations.service';

export class OrganizationDto {
  @ApiProperty({ example: 'org_123' })
  id!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;
}

@ApiTags('Organization')
@Controller('api/v1/organization')
export class OrganizationsController {
  constructor(private readonly organizations: OrganizationsService) {}

  @Get()
  @Endpoint({
    access: 'organization:read',
    summary: 'Read the own organization',
    returns: OrganizationDto,
  })
  async get(@Caller() caller: Principal): Promise<OrganizationDto> {
    const { id, createdAt } = await this.organizations.get(caller);
    return { id, created_at: createdAt };
  }
}
