import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker } from '../cassandra/background-worker';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import { ChangeReader } from '../changes/change-reader.service';
import { inParallel } from '../common/in-parallel';
import type { AppConfig } from '../config/app-config';
import { OUTBOX_SHARDS } from '../records/writing/outbox-windows';
import { DeliveriesRepository } from './deliveries.repository';
import { DeliverySlots } from './delivery-slots';
import { HookRunner, type RunnerParts } from './hook-runner';
import { PendingRepository } from './pending.repository';
import type { Webhook } from './webhook';
import { WebhookSender } from './webhook-sender';
import { WebhooksRepository } from './webhooks.repository';
import { WebhooksService } from './webhooks.service';

const ROUND_MS = 400;
/** How often is looked at what webhooks there are. */
const LIST_EVERY_MS = 2000;
const LONGEST_RETRY_MS = 6 * 3_600_000;
const AT_ONCE = 16;
/** Deliveries under way, of a process and of an organization in it. */
const DELIVERIES_MAX = 64;
const DELIVERIES_OF_ORGANIZATION_MAX = 16;

type Parts = Omit<RunnerParts, 'stop' | 'check'>;

class ShardDispatcher extends BackgroundWorker {
  private readonly runners = new Map<string, HookRunner>();
  private listedAt = 0;

  constructor(
    private readonly shard: number,
    private readonly webhooks: WebhooksRepository,
    private readonly parts: Parts,
    enabled: boolean,
    cassandra: CassandraService,
    logger: PinoLogger,
  ) {
    super(`webhooks-${String(shard)}`, enabled, ROUND_MS, cassandra, logger);
  }

  override async onApplicationShutdown(): Promise<void> {
    await super.onApplicationShutdown();
    await this.idle();
  }

  private async idle(): Promise<void> {
    await Promise.all([...this.runners.values()].map((runner) => runner.idle()));
  }

  protected async round(lease: Lease, first: boolean): Promise<void> {
    if (first) {
      // What another process has done since is not what this one remembers.
      await this.idle();
      this.runners.clear();
    }
    if (first || Date.now() - this.listedAt >= LIST_EVERY_MS) await this.listAll(lease);
    await inParallel(this.runners.values(), AT_ONCE, async (runner) => {
      if (this.stopping.signal.aborted) return;
      lease.check();
      try {
        await runner.step();
      } catch (error) {
        this.parts.report(error, runner.webhook);
      }
    });
  }

  private async listAll(lease: Lease): Promise<void> {
    const known = new Set<string>();
    const organizations = await this.webhooks.organizations(this.shard);
    await inParallel(organizations, AT_ONCE, async (organizationId) => {
      const { webhooks } = await this.webhooks.list(organizationId);
      for (const webhook of webhooks.filter(({ enabled }) => enabled)) {
        known.add(webhook.id);
        const runner = this.runners.get(webhook.id);
        // One that was ended is not begun again before nothing of it is under way.
        if (runner) runner.webhook = webhook;
        else this.runners.set(webhook.id, this.runnerUnder(lease, webhook));
      }
    });
    for (const [id, runner] of this.runners) {
      if (!known.has(id)) runner.end();
      if (runner.hasEnded) this.runners.delete(id);
    }
    this.listedAt = Date.now();
  }

  private runnerUnder(lease: Lease, webhook: Webhook): HookRunner {
    const stop = AbortSignal.any([this.stopping.signal, lease.signal]);
    const check = () => {
      lease.check();
    };
    return new HookRunner(webhook, { ...this.parts, stop, check });
  }
}

/** Sends changes to webhooks: each shard of organizations is done by one process at a time. */
@Injectable()
export class Dispatcher implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly shards: ShardDispatcher[];
  private readonly sender: WebhookSender;

  constructor(
    webhooks: WebhooksRepository,
    pending: PendingRepository,
    deliveries: DeliveriesRepository,
    service: WebhooksService,
    reader: ChangeReader,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const { allowPrivate, firstRetryMs, giveUpMs } = config.get('webhooks', { infer: true });
    this.sender = new WebhookSender(allowPrivate);
    const parts: Parts = {
      reader,
      pending,
      deliveries,
      sender: this.sender,
      slots: new DeliverySlots(DELIVERIES_MAX, DELIVERIES_OF_ORGANIZATION_MAX),
      retry: { firstMs: firstRetryMs, longestMs: LONGEST_RETRY_MS, giveUpMs },
      secretsOf: (webhook) => service.secretsOf(webhook),
      giveUp: (webhook) => service.giveUp(webhook),
      report: (error, { organizationId, id }) => {
        const about = { err: error, organization_id: organizationId, webhook_id: id };
        logger.warn(about, 'a webhook was not served: later again');
      },
    };
    const enabled = config.get('workers', { infer: true });
    this.shards = Array.from(
      { length: OUTBOX_SHARDS },
      (_, shard) => new ShardDispatcher(shard, webhooks, parts, enabled, cassandra, logger),
    );
  }

  onApplicationBootstrap(): void {
    for (const shard of this.shards) shard.onApplicationBootstrap();
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.onApplicationShutdown()));
    this.sender.close();
  }
}
