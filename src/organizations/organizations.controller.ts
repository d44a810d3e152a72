import { Body, Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Delete, Patch } from '../idempotency/write-routes';
import {
  ChangeOrganizationDto,
  EraseOrganizationDto,
  OrganizationDto,
  toOrganizationDto,
} from './organizations.dto';
import { OrganizationsService } from './organizations.service';

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
    return toOrganizationDto(await this.organizations.get(caller));
  }

  @Patch()
  @Endpoint({
    access: 'organization:update',
    summary: 'Change the settings of the own organization',
    returns: OrganizationDto,
    errors: ['CONFLICT'],
  })
  async change(
    @Caller() caller: Principal,
    @Body() body: ChangeOrganizationDto,
  ): Promise<OrganizationDto> {
    const { name, time_zone: timeZone, currency, locale } = body;
    return toOrganizationDto(
      await this.organizations.change(caller, { name, timeZone, currency, locale }),
    );
  }

  @Delete()
  @Endpoint({
    access: 'organization:erase',
    summary: 'Erase the own organization and everything in it',
    description:
      'Access ends at once for everybody; the data is deleted within minutes. The id can never be ' +
      'registered again. There is no way back.',
    status: 202,
    errors: ['CONFLICT'],
  })
  async erase(@Caller() caller: Principal, @Body() body: EraseOrganizationDto): Promise<void> {
    await this.organizations.requestErasure(caller, body.confirm);
  }
}
