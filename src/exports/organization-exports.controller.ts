import { Controller, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Post } from '../idempotency/write-routes';
import { OrganizationExports } from './organization-exports.service';

@ApiTags('Organization')
@Controller('api/v1/organization')
export class OrganizationExportsController {
  constructor(private readonly exports: OrganizationExports) {}

  @Post('export')
  @Endpoint({
    access: 'organization:export',
    summary: 'Export everything the own organization has',
    description:
      'A zip archive of any length: the organization, its users, invitations, API keys, webhooks and ' +
      'custom fields, all records in whatever state with their histories, its jobs and its audit, as ' +
      'NDJSON and without secrets. Last comes `manifest.json` with the number of rows and the SHA-256 ' +
      'of each file. A connection that breaks off before its end has not sent all of it, and what it ' +
      'has sent is no archive. Four exports of an organization run at a time.',
    file: 'application/zip',
  })
  async export(@Caller() caller: Principal, @Res() response: Response): Promise<void> {
    await this.exports.send(caller, response);
  }
}
