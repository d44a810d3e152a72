import { Body, Get, Headers, Inject, Param, Query, type Type } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { Answer } from '../common/answer';
import { Endpoint } from '../common/endpoint';
import { type Page, PageQueryDto } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { Delete, Patch, Post, Put } from '../idempotency/write-routes';
import type { ObjectService } from './object.service';
import type { Body as RecordBody } from './record-input.service';
import { etagOf, isUnchanged } from './precondition';
import type { StoredRecord } from './record';
import { runBatch } from './record-batch';
import { toBody } from './record-body';
import { permissionOn, type RecordDefinition } from './record-definition';
import { bodyOf, IF_MATCH, LIST_DESCRIPTION, listParameters } from './record-docs';
import {
  ExternalKeyDto,
  MergeDto,
  RecordIdDto,
  toDuplicateBody,
  toEventBody,
  toResultBody,
  toTimelineBody,
} from './record.dto';

/** The routes that every kind of record has. A feature extends the class and names its path. */
export function objectController(definition: RecordDefinition, service: Type<ObjectService>) {
  const { title } = definition;
  const noun = title.toLowerCase();
  const permission = (action: Parameters<typeof permissionOn>[1]) =>
    permissionOn(definition, action);

  abstract class ObjectController {
    constructor(@Inject(service) readonly service: ObjectService) {}

    @Get()
    @Endpoint({
      access: permission('read'),
      summary: `List ${definition.object}`,
      description: LIST_DESCRIPTION,
      returns: title,
      list: true,
      errors: ['INVALID_CURSOR'],
    })
    @listParameters(definition)
    async list(
      @Caller() caller: Principal,
      @Query() query: Record<string, unknown>,
    ): Promise<Page<unknown>> {
      const fields = await this.service.fields(caller);
      return (await this.service.list(caller, query)).map((one) => toBody(one, fields));
    }

    @Post()
    @Endpoint({
      access: permission('create'),
      summary: `Create a ${noun}`,
      status: 201,
      returns: title,
      errors: ['DUPLICATE', 'CONFLICT'],
    })
    @bodyOf(`${title}Input`)
    async create(@Caller() caller: Principal, @Body() body: RecordBody) {
      const record = await this.service.create(caller, body);
      return this.answer(caller, record, {
        status: 201,
        headers: { Location: `/api/v1/${definition.object}/${record.id}` },
      });
    }

    @Post('batch')
    @Endpoint({
      access: permission('update'),
      summary: `Create, change or delete up to 500 ${definition.object}`,
      description:
        'Each item succeeds or fails for itself; `data` has one result an item, in their order. With ' +
        'an Idempotency-Key the whole batch can be sent again.',
      status: 207,
      returns: `${title}BatchResult`,
      many: true,
    })
    @bodyOf('Batch')
    async batch(@Caller() caller: Principal, @Body() body: RecordBody) {
      const [results, fields] = await Promise.all([
        runBatch(caller, this.service, body),
        this.service.fields(caller),
      ]);
      return results.map((result) => toResultBody(result, fields));
    }

    @Put('external/:source/:key')
    @Endpoint({
      access: permission('update'),
      summary: `Create or change the ${noun} that another system knows by a key`,
      description: 'An existing one is changed as by PATCH (200), otherwise it is created (201).',
      returns: title,
      errors: ['DUPLICATE', 'CONFLICT', 'PRECONDITION_FAILED'],
    })
    @IF_MATCH
    @bodyOf(`${title}Input`)
    async putExternal(
      @Caller() caller: Principal,
      @Param() { source, key }: ExternalKeyDto,
      @Body() body: RecordBody,
      @Headers('If-Match') ifMatch?: string,
    ) {
      const put = await this.service.putExternal(caller, source, key, body, ifMatch);
      return this.answer(caller, put.record, { status: put.created ? 201 : 200 });
    }

    @Get(':id')
    @Endpoint({
      access: permission('read'),
      summary: `Read a ${noun}`,
      description: 'With If-None-Match and the ETag of an earlier answer: 304 if nothing changed.',
      returns: title,
    })
    @ApiHeader({
      name: 'If-None-Match',
      required: false,
      schema: { type: 'string', example: '"0"' },
    })
    async get(
      @Caller() caller: Principal,
      @Param() { id }: RecordIdDto,
      @Headers('If-None-Match') ifNoneMatch?: string,
    ) {
      const record = await this.service.get(caller, id);
      if (!isUnchanged(ifNoneMatch, record)) return this.answer(caller, record);
      return new Answer(undefined, { status: 304, headers: { ETag: etagOf(record) } });
    }

    @Patch(':id')
    @Endpoint({
      access: permission('update'),
      summary: `Change a ${noun}`,
      description:
        'A JSON merge patch (RFC 7386): what is left out stays, null clears, objects are merged, ' +
        'lists are replaced. With If-Match it applies to that version only.',
      returns: title,
      errors: ['DUPLICATE', 'CONFLICT', 'PRECONDITION_FAILED'],
    })
    @IF_MATCH
    @bodyOf(`${title}Patch`)
    async patch(
      @Caller() caller: Principal,
      @Param() { id }: RecordIdDto,
      @Body() body: RecordBody,
      @Headers('If-Match') ifMatch?: string,
    ) {
      return this.answer(caller, await this.service.patch(caller, id, body, ifMatch));
    }

    @Delete(':id')
    @Endpoint({
      access: permission('delete'),
      summary: `Delete a ${noun}`,
      description: 'It can be restored for 30 days. Its unique values are free at once.',
      status: 204,
      errors: ['CONFLICT', 'PRECONDITION_FAILED'],
    })
    @IF_MATCH
    async remove(
      @Caller() caller: Principal,
      @Param() { id }: RecordIdDto,
      @Headers('If-Match') ifMatch?: string,
    ): Promise<void> {
      await this.service.remove(caller, id, ifMatch);
    }

    @Post(':id/restore')
    @Endpoint({
      access: permission('update'),
      summary: `Bring a deleted ${noun} back`,
      description: 'Or one that was merged into another: then the merge is taken back.',
      returns: title,
      errors: ['DUPLICATE', 'CONFLICT'],
    })
    async restore(@Caller() caller: Principal, @Param() { id }: RecordIdDto) {
      return this.answer(caller, await this.service.restore(caller, id));
    }

    @Post(':id/merge')
    @Endpoint({
      access: permission('update'),
      summary: `Merge other ${definition.object} into this one`,
      description:
        'This one keeps what it has and gets what only the others have; whatever refers to them ' +
        'refers to it from then on. Restoring one of them takes its merge back.',
      returns: title,
      errors: ['UNPROCESSABLE', 'CONFLICT'],
    })
    async merge(
      @Caller() caller: Principal,
      @Param() { id }: RecordIdDto,
      @Body() { loser_ids: loserIds }: MergeDto,
    ) {
      return this.answer(caller, await this.service.merge(caller, id, loserIds));
    }

    @Get(':id/history')
    @Endpoint({
      access: permission('read'),
      summary: `Read the versions of a ${noun}, newest first`,
      returns: 'ChangeEvent',
      list: true,
      errors: ['INVALID_CURSOR'],
    })
    async history(
      @Caller() caller: Principal,
      @Param() { id }: RecordIdDto,
      @Query() query: PageQueryDto,
    ): Promise<Page<unknown>> {
      return (await this.service.history(caller, id, query)).map(toEventBody);
    }

    @Get(':id/timeline')
    @Endpoint({
      access: permission('read'),
      summary: `Read what happened to a ${noun} and around it, newest first`,
      description: 'Its changes, those of records merged into it, and the activities linked to it.',
      returns: 'TimelineEntry',
      list: true,
      errors: ['INVALID_CURSOR'],
    })
    async timeline(
      @Caller() caller: Principal,
      @Param() { id }: RecordIdDto,
      @Query() query: PageQueryDto,
    ): Promise<Page<unknown>> {
      const fields = await this.service.fieldsOf(caller, 'activities');
      const page = await this.service.timeline(caller, id, query);
      return page.map((entry) => toTimelineBody(entry, fields));
    }

    @Get(':id/duplicates')
    @Endpoint({
      access: permission('read'),
      summary: `Find ${definition.object} that may be the same as this one`,
      returns: `${title}Duplicate`,
      many: true,
    })
    async duplicates(@Caller() caller: Principal, @Param() { id }: RecordIdDto) {
      const [found, fields] = await Promise.all([
        this.service.duplicates(caller, id),
        this.service.fields(caller),
      ]);
      return found.map((one) => toDuplicateBody(one, fields));
    }

    /** A record with its ETag. */
    private async answer(
      caller: Principal,
      record: StoredRecord,
      { status, headers }: { status?: number; headers?: Record<string, string> } = {},
    ) {
      const body = toBody(record, await this.service.fields(caller));
      return new Answer(body, { status, headers: { ETag: etagOf(record), ...headers } });
    }
  }

  return ObjectController;
}
