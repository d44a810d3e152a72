import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { type Page, PageQueryDto } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import {
  ChangeWebhookDto,
  CreateWebhookDto,
  DeliveryDto,
  DeliveryIdDto,
  NewWebhookDto,
  toDeliveryDto,
  toWebhookDto,
  WebhookDto,
  WebhookIdDto,
} from './webhooks.dto';
import { WebhooksService } from './webhooks.service';

@ApiTags('Webhooks')
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Get()
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'List the webhooks of the organization',
    returns: WebhookDto,
    many: true,
  })
  async list(@Caller() caller: Principal): Promise<WebhookDto[]> {
    return (await this.webhooks.list(caller)).map(toWebhookDto);
  }

  @Post()
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'Have changes sent to an address',
    description:
      'Every change from now on, signed by the Standard Webhooks specification, at least once, those ' +
      'of a record in their order. What fails is tried for 72 hours. At most 20 webhooks.',
    status: 201,
    returns: NewWebhookDto,
    errors: ['CONFLICT'],
  })
  async create(
    @Caller() caller: Principal,
    @Body() body: CreateWebhookDto,
  ): Promise<NewWebhookDto> {
    const { webhook, secret } = await this.webhooks.create(caller, {
      url: body.url,
      description: body.description ?? '',
      objects: body.objects ?? [],
      kinds: body.kinds ?? [],
      enabled: body.enabled ?? true,
    });
    return Object.assign(toWebhookDto(webhook), { secret });
  }

  @Get(':id')
  @Endpoint({ access: 'webhooks:manage', summary: 'Read a webhook', returns: WebhookDto })
  async read(@Caller() caller: Principal, @Param() { id }: WebhookIdDto): Promise<WebhookDto> {
    return toWebhookDto(await this.webhooks.get(caller, id));
  }

  @Patch(':id')
  @Endpoint({ access: 'webhooks:manage', summary: 'Change a webhook', returns: WebhookDto })
  async change(
    @Caller() caller: Principal,
    @Param() { id }: WebhookIdDto,
    @Body() body: ChangeWebhookDto,
  ): Promise<WebhookDto> {
    return toWebhookDto(await this.webhooks.change(caller, id, body));
  }

  @Delete(':id')
  @Endpoint({ access: 'webhooks:manage', summary: 'Delete a webhook', status: 204 })
  async remove(@Caller() caller: Principal, @Param() { id }: WebhookIdDto): Promise<void> {
    await this.webhooks.remove(caller, id);
  }

  @Post(':id/rotate-secret')
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'Get a new secret for a webhook',
    description: 'The old one signs along for 24 hours.',
    returns: NewWebhookDto,
  })
  async rotate(@Caller() caller: Principal, @Param() { id }: WebhookIdDto): Promise<NewWebhookDto> {
    const { webhook, secret } = await this.webhooks.rotate(caller, id);
    return Object.assign(toWebhookDto(webhook), { secret });
  }

  @Get(':id/deliveries')
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'See what was sent to a webhook, newest first',
    description: 'For 30 days.',
    returns: DeliveryDto,
    list: true,
    errors: ['INVALID_CURSOR'],
  })
  async deliveries(
    @Caller() caller: Principal,
    @Param() { id }: WebhookIdDto,
    @Query() query: PageQueryDto,
  ): Promise<Page<DeliveryDto>> {
    return (await this.webhooks.deliveries(caller, id, query)).map(toDeliveryDto);
  }

  @Post(':id/deliveries/:deliveryId/redeliver')
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'Send an event to a webhook again',
    status: 202,
    returns: DeliveryDto,
  })
  async redeliver(
    @Caller() caller: Principal,
    @Param() { id, deliveryId }: DeliveryIdDto,
  ): Promise<DeliveryDto> {
    return toDeliveryDto(await this.webhooks.redeliver(caller, id, Number(deliveryId)));
  }
}
