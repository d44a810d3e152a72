import { Body, Controller, Get, Headers, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Answer } from '../common/answer';
import { Endpoint } from '../common/endpoint';
import { type Page, PageQueryDto } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { Delete, Patch, Post } from '../idempotency/write-routes';
import { bodyOf, IF_MATCH } from '../records/record-docs';
import type { Body as RecordBody } from '../records/record-input.service';
import { etagOf } from '../records/precondition';
import type { StoredRecord } from '../records/record';
import { toBody } from '../records/record-body';
import { RecordIdDto } from '../records/record.dto';
import { PipelinesService } from './pipelines.service';

const PATH = 'api/v1/pipelines';

@ApiTags('Pipelines')
@Controller(PATH)
export class PipelinesController {
  constructor(private readonly pipelines: PipelinesService) {}

  @Get()
  @Endpoint({
    access: 'pipelines:read',
    summary: 'List pipelines, oldest first',
    description: 'An organization that has none gets one: Sales.',
    returns: 'Pipeline',
    list: true,
    errors: ['INVALID_CURSOR', 'CONFLICT'],
  })
  async list(@Caller() caller: Principal, @Query() query: PageQueryDto): Promise<Page<unknown>> {
    const oldest = await this.pipelines.default(caller);
    const page = await this.pipelines.page(caller, query);
    return page.map((pipeline) => toPipelineBody(pipeline, oldest));
  }

  @Post()
  @Endpoint({
    access: 'pipelines:manage',
    summary: 'Create a pipeline',
    status: 201,
    returns: 'Pipeline',
    errors: ['DUPLICATE', 'CONFLICT'],
  })
  @bodyOf('PipelineInput')
  async create(@Caller() caller: Principal, @Body() body: RecordBody) {
    const pipeline = await this.pipelines.create(caller, body);
    const headers = { Location: `/${PATH}/${pipeline.id}` };
    return toAnswer(pipeline, await this.pipelines.oldest(caller), { status: 201, headers });
  }

  @Get(':id')
  @Endpoint({ access: 'pipelines:read', summary: 'Read a pipeline', returns: 'Pipeline' })
  async get(@Caller() caller: Principal, @Param() { id }: RecordIdDto) {
    const pipeline = await this.pipelines.get(caller, id);
    return toAnswer(pipeline, await this.pipelines.oldest(caller));
  }

  @Patch(':id')
  @Endpoint({
    access: 'pipelines:manage',
    summary: 'Change a pipeline',
    description:
      'A list of stages replaces the one there is; a stage is kept by its id. 409 for a stage that ' +
      'deals are in and that would be gone or of another type. A changed probability counts at once ' +
      'for all deals in the stage. With If-Match it applies to that version only.',
    returns: 'Pipeline',
    errors: ['DUPLICATE', 'CONFLICT', 'PRECONDITION_FAILED'],
  })
  @IF_MATCH
  @bodyOf('PipelinePatch')
  async patch(
    @Caller() caller: Principal,
    @Param() { id }: RecordIdDto,
    @Body() body: RecordBody,
    @Headers('If-Match') ifMatch?: string,
  ) {
    const pipeline = await this.pipelines.patch(caller, id, body, ifMatch);
    return toAnswer(pipeline, await this.pipelines.oldest(caller));
  }

  @Delete(':id')
  @Endpoint({
    access: 'pipelines:manage',
    summary: 'Delete a pipeline',
    description: '409 while there are deals in it.',
    status: 204,
    errors: ['CONFLICT', 'PRECONDITION_FAILED'],
  })
  @IF_MATCH
  async remove(
    @Caller() caller: Principal,
    @Param() { id }: RecordIdDto,
    @Headers('If-Match') ifMatch?: string,
  ): Promise<void> {
    await this.pipelines.remove(caller, id, ifMatch);
  }
}

/** A pipeline with its ETag. */
function toAnswer(
  pipeline: StoredRecord,
  oldest: StoredRecord | undefined,
  { status, headers }: { status?: number; headers?: Record<string, string> } = {},
) {
  const body = toPipelineBody(pipeline, oldest);
  return new Answer(body, { status, headers: { ETag: etagOf(pipeline), ...headers } });
}

function toPipelineBody(pipeline: StoredRecord, oldest: StoredRecord | undefined) {
  return { ...toBody(pipeline, []), is_default: pipeline.id === oldest?.id };
}
