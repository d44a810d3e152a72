import { Body, Controller, Get, Headers, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Answer } from '../common/answer';
import { Endpoint } from '../common/endpoint';
import { type Page, PageQueryDto } from '../common/page';
import { Caller, type Principal } from '../common/principal';
import { Delete, Patch, Post } from '../idempotency/write-routes';
import { etagOf } from '../records/precondition';
import { IF_MATCH } from '../records/record-docs';
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
import type { Webhook } from './webhook';
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
  ): Promise<Answer<NewWebhookDto>> {
    const { webhook, secret } = await this.webhooks.create(caller, {
      url: body.url,
      description: body.description ?? '',
      objects: body.objects ?? [],
      kinds: body.kinds ?? [],
      enabled: body.enabled ?? true,
    });
    const Location = `/api/v1/webhooks/${webhook.id}`;
    return toAnswer(webhook, Object.assign(toWebhookDto(webhook), { secret }), { Location });
  }

  @Get(':id')
  @Endpoint({ access: 'webhooks:manage', summary: 'Read a webhook', returns: WebhookDto })
  async read(
    @Caller() caller: Principal,
    @Param() { id }: WebhookIdDto,
  ): Promise<Answer<WebhookDto>> {
    const webhook = await this.webhooks.get(caller, id);
    return toAnswer(webhook, toWebhookDto(webhook));
  }

  @Patch(':id')
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'Change a webhook',
    description: 'With If-Match it applies to that version only.',
    returns: WebhookDto,
    errors: ['CONFLICT', 'PRECONDITION_FAILED'],
  })
  @IF_MATCH
  async change(
    @Caller() caller: Principal,
    @Param() { id }: WebhookIdDto,
    @Body() body: ChangeWebhookDto,
    @Headers('If-Match') ifMatch?: string,
  ): Promise<Answer<WebhookDto>> {
    const webhook = await this.webhooks.change(caller, id, body, ifMatch);
    return toAnswer(webhook, toWebhookDto(webhook));
  }

  @Delete(':id')
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'Delete a webhook',
    status: 204,
    errors: ['CONFLICT', 'PRECONDITION_FAILED'],
  })
  @IF_MATCH
  async remove(
    @Caller() caller: Principal,
    @Param() { id }: WebhookIdDto,
    @Headers('If-Match') ifMatch?: string,
  ): Promise<void> {
    await this.webhooks.remove(caller, id, ifMatch);
  }

  @Post(':id/rotate-secret')
  @Endpoint({
    access: 'webhooks:manage',
    summary: 'Get a new secret for a webhook',
    description: 'The old one signs along for 24 hours.',
    returns: NewWebhookDto,
  })
  async rotate(
    @Caller() caller: Principal,
    @Param() { id }: WebhookIdDto,
  ): Promise<Answer<NewWebhookDto>> {
    const { webhook, secret } = await this.webhooks.rotate(caller, id);
    return toAnswer(webhook, Object.assign(toWebhookDto(webhook), { secret }));
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

/** What is told of a webhook, with its ETag. */
function toAnswer<T>(webhook: Webhook, data: T, headers?: Record<string, string>): Answer<T> {
  return new Answer(data, { headers: { ETag: etagOf(webhook), ...headers } });
}
