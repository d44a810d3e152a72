import { Body, Controller, Get, Param } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { Delete, Post } from '../idempotency/write-routes';
import { ApiKeyDto, ApiKeyIdDto, CreateApiKeyDto, NewApiKeyDto, toApiKeyDto } from './api-keys.dto';
import { ApiKeysService } from './api-keys.service';

@ApiTags('API keys')
@Controller('api/v1/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeysService) {}

  @Get()
  @Endpoint({
    access: 'keys:manage',
    summary: 'List the keys of the organization',
    returns: ApiKeyDto,
    many: true,
  })
  async list(@Caller() caller: Principal): Promise<ApiKeyDto[]> {
    return (await this.keys.list(caller)).map(toApiKeyDto);
  }

  @Post()
  @Endpoint({
    access: 'keys:manage',
    summary: 'Make a key for an integration',
    description: 'It acts in the name of its maker, with the role given here. At most 100.',
    status: 201,
    returns: NewApiKeyDto,
    errors: ['CONFLICT'],
  })
  async create(@Caller() caller: Principal, @Body() body: CreateApiKeyDto): Promise<NewApiKeyDto> {
    const { name, role, expires_in_days: expiresInDays } = body;
    const { key, text } = await this.keys.create(caller, { name, role, expiresInDays });
    return Object.assign(toApiKeyDto(key), { key: text });
  }

  @Delete(':id')
  @Endpoint({ access: 'keys:manage', summary: 'Revoke a key', status: 204 })
  async revoke(@Caller() caller: Principal, @Param() { id }: ApiKeyIdDto): Promise<void> {
    await this.keys.revoke(caller, id);
  }
}
