import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import type { Page } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { AuditEntryDto, AuditQueryDto, toAuditEntryDto } from './audit.dto';
import { AuditService } from './audit.service';

@ApiTags('Audit')
@Controller('api/v1/audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  @Endpoint({
    access: 'audit:read',
    summary: 'Read who did what, newest first',
    description:
      'Entries live for 400 days. A page may be short, or empty, and still have a next_cursor: then ' +
      'the filter has found little in what was looked at, and the next page looks on.',
    returns: AuditEntryDto,
    list: true,
    errors: ['INVALID_CURSOR'],
  })
  async list(
    @Caller() caller: Principal,
    @Query() query: AuditQueryDto,
  ): Promise<Page<AuditEntryDto>> {
    const { actor_id: actorId, ...filter } = query;
    return (await this.audit.list(caller, { ...filter, actorId })).map(toAuditEntryDto);
  }
}
