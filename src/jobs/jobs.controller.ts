import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { type Page, PageQueryDto } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { JobDto, JobIdDto, toJobDto } from './jobs.dto';
import { JobsService } from './jobs.service';

@ApiTags('Jobs')
@Controller('api/v1/jobs')
export class JobsController {
  constructor(private readonly jobs: JobsService) {}

  @Get()
  @Endpoint({
    access: 'jobs:read',
    summary: 'List the own jobs, for admins those of all, newest first',
    description: 'Jobs are kept for 30 days. A page may be short and still have a next_cursor.',
    returns: JobDto,
    list: true,
    errors: ['INVALID_CURSOR'],
  })
  async list(@Caller() caller: Principal, @Query() query: PageQueryDto): Promise<Page<JobDto>> {
    return (await this.jobs.list(caller, query)).map(toJobDto);
  }

  @Get(':id')
  @Endpoint({ access: 'jobs:read', summary: 'Read how far a job is', returns: JobDto })
  async get(@Caller() caller: Principal, @Param() { id }: JobIdDto): Promise<JobDto> {
    return toJobDto(await this.jobs.get(caller, id));
  }
}
