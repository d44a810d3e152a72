import { Controller, Get, Inject, Query, Res } from '@nestjs/common';
import { ApiProduces, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { activities } from '../activities/activity';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { companies } from '../companies/company';
import { contacts } from '../contacts/contact';
import { deals } from '../deals/deal';
import { permissionOn, type RecordDefinition } from '../records/record-definition';
import { filterParameters } from '../records/record-docs';
import { RecordExports } from './record-exports.service';

function exportController(definition: RecordDefinition) {
  abstract class ExportController {
    constructor(@Inject(RecordExports) readonly exports: RecordExports) {}

    @Get('export')
    @ApiProduces('text/csv', 'application/x-ndjson')
    @Endpoint({
      access: permissionOn(definition, 'read'),
      summary: `Export ${definition.object} as CSV or NDJSON`,
      description:
        'All records of the list with these filters that the caller may see, as a file of any length. ' +
        'A connection that breaks off before its end has not sent all of it. In CSV a text that a ' +
        "spreadsheet would take for a formula has an apostrophe (') in front. Four exports of an " +
        'organization run at a time.',
    })
    @ApiQuery({
      name: 'format',
      required: false,
      enum: ['csv', 'ndjson'],
      schema: { default: 'csv' },
    })
    @ApiQuery({
      name: 'bom',
      required: false,
      description: 'true: CSV begins with a byte order mark, by which Excel tells UTF-8.',
      schema: { type: 'boolean', default: false },
    })
    @filterParameters(definition, '`created_at` or `-created_at`.')
    async export(
      @Caller() caller: Principal,
      @Query() query: Record<string, unknown>,
      @Res() response: Response,
    ): Promise<void> {
      await this.exports.send(caller, definition, query, response);
    }
  }
  return ExportController;
}

@ApiTags('Companies')
@Controller('api/v1/companies')
export class CompanyExportController extends exportController(companies) {}

@ApiTags('Contacts')
@Controller('api/v1/contacts')
export class ContactExportController extends exportController(contacts) {}

@ApiTags('Deals')
@Controller('api/v1/deals')
export class DealExportController extends exportController(deals) {}

@ApiTags('Activities')
@Controller('api/v1/activities')
export class ActivityExportController extends exportController(activities) {}
