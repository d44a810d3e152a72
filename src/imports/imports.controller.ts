import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Answer } from '../common/answer';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Post } from '../idempotency/write-routes';
import { JobDto, JobIdDto, toJobDto } from '../jobs/jobs.dto';
import { errorReport } from './error-report';
import { AcceptedImportDto, ImportDto, ImportFormDto, toImportDto } from './imports.dto';
import { ImportsService } from './imports.service';

@ApiTags('Imports')
@Controller('api/v1/imports')
export class ImportsController {
  constructor(private readonly imports: ImportsService) {}

  @Post()
  @Endpoint({
    access: 'jobs:read',
    summary: 'Import records from a CSV file',
    description:
      'Needs the permission to create, or to update, the records. The file is taken as it arrives; ' +
      'the job works through it in the name of the caller. The answer says how the file is read. ' +
      'Under one Idempotency-Key the same form and file are one import.',
    status: 202,
    returns: AcceptedImportDto,
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: ImportFormDto })
  async begin(@Caller() caller: Principal, @Req() request: Request) {
    const { job, sample } = await this.imports.begin(caller, request);
    return new Answer(Object.assign(toImportDto(job), { sample }), {
      headers: { Location: `/api/v1/imports/${job.id}` },
    });
  }

  @Get(':id')
  @Endpoint({ access: 'jobs:read', summary: 'Read how far an import is', returns: ImportDto })
  async get(@Caller() caller: Principal, @Param() { id }: JobIdDto): Promise<ImportDto> {
    return toImportDto(await this.imports.get(caller, id));
  }

  @Get(':id/errors')
  @Endpoint({
    access: 'jobs:read',
    summary: 'Read the rows that were not imported, as CSV',
    description:
      'The line, the error and the row as it was. Of a revert: the records that were kept, and why.',
  })
  @ApiResponse({
    status: 200,
    description: 'CSV',
    content: { 'text/csv': { schema: { type: 'string' } } },
  })
  async errors(
    @Caller() caller: Principal,
    @Param() { id }: JobIdDto,
    @Res() response: Response,
  ): Promise<void> {
    const job = await this.imports.getAny(caller, id);
    response.set({
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': `attachment; filename="import-${job.id}-errors.csv"`,
    });
    await pipeline(Readable.from(errorReport(job, this.imports.failures(job))), response);
  }

  @Post(':id/cancel')
  @Endpoint({
    access: 'jobs:read',
    summary: 'Stop an import',
    description: 'It stops after the rows it is at. What it has written stays; see revert.',
    status: 202,
    returns: JobDto,
  })
  async cancel(@Caller() caller: Principal, @Param() { id }: JobIdDto): Promise<JobDto> {
    return toJobDto(await this.imports.cancel(caller, id));
  }

  @Post(':id/revert')
  @Endpoint({
    access: 'jobs:read',
    summary: 'Take an import back',
    description:
      'A job of its own: deletes what the import has created, and puts back what it has changed, ' +
      'unless somebody has changed it since; then it is kept and counted.',
    status: 202,
    returns: JobDto,
    errors: ['CONFLICT', 'UNPROCESSABLE'],
  })
  async revert(@Caller() caller: Principal, @Param() { id }: JobIdDto) {
    const job = await this.imports.revert(caller, id);
    return new Answer(toJobDto(job), { headers: { Location: `/api/v1/jobs/${job.id}` } });
  }
}
