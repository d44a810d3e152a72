import { Body, Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Delete, Patch, Post } from '../idempotency/write-routes';
import {
  ChangeFieldDto,
  CreateFieldDto,
  FieldDto,
  FieldKeyDto,
  FieldObjectDto,
  FieldsQueryDto,
  toFieldChange,
  toFieldDto,
  toNewField,
} from './fields.dto';
import { FieldsService } from './fields.service';

@ApiTags('Fields')
@Controller('api/v1/fields/:object')
export class FieldsController {
  constructor(private readonly fields: FieldsService) {}

  @Get()
  @Endpoint({
    access: 'fields:read',
    summary: 'List the custom fields of a kind of record, by key',
    returns: FieldDto,
    many: true,
  })
  async list(
    @Caller() caller: Principal,
    @Param() { object }: FieldObjectDto,
    @Query() { archived }: FieldsQueryDto,
  ): Promise<FieldDto[]> {
    return (await this.fields.list(caller, object, archived)).map(toFieldDto);
  }

  @Post()
  @Endpoint({
    access: 'fields:manage',
    summary: 'Add a custom field, or bring an archived one back',
    description:
      'At most 200 for each kind of record, and 400 with the archived ones. An archived field comes ' +
      'back with its values, if it is to have the same kind, unique, indexed and reference_to.',
    status: 201,
    returns: FieldDto,
    errors: ['DUPLICATE', 'CONFLICT', 'UNPROCESSABLE'],
  })
  async create(
    @Caller() caller: Principal,
    @Param() { object }: FieldObjectDto,
    @Body() body: CreateFieldDto,
  ): Promise<FieldDto> {
    return toFieldDto(await this.fields.create(caller, object, toNewField(body)));
  }

  @Get(':key')
  @Endpoint({
    access: 'fields:read',
    summary: 'Read one custom field, archived or not',
    returns: FieldDto,
  })
  async get(@Caller() caller: Principal, @Param() { object, key }: FieldKeyDto): Promise<FieldDto> {
    return toFieldDto(await this.fields.get(caller, object, key));
  }

  @Patch(':key')
  @Endpoint({
    access: 'fields:manage',
    summary: 'Change label, required or options of a custom field',
    returns: FieldDto,
    errors: ['CONFLICT', 'UNPROCESSABLE'],
  })
  async change(
    @Caller() caller: Principal,
    @Param() { object, key }: FieldKeyDto,
    @Body() body: ChangeFieldDto,
  ): Promise<FieldDto> {
    return toFieldDto(await this.fields.change(caller, object, key, toFieldChange(body)));
  }

  @Delete(':key')
  @Endpoint({
    access: 'fields:manage',
    summary: 'Archive a custom field',
    description:
      'Records keep its values and take no new ones. POST of the same key brings it back; archiving ' +
      'it again changes nothing.',
    status: 204,
    errors: ['CONFLICT'],
  })
  async archive(@Caller() caller: Principal, @Param() { object, key }: FieldKeyDto): Promise<void> {
    await this.fields.archive(caller, object, key);
  }
}
