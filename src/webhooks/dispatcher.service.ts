import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker, ShardWorkers } from '../cassandra/background-worker';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import { ChangeReader } from '../changes/change-reader.service';
import { ChangeWaiters } from '../changes/change-waiters.service';
import { groupBy } from '../common/group-by';
import { inParallel } from '../common/in-parallel';
import type { AppConfig } from '../config/app-config';
import { OUTBOX_SHARDS, outboxShardOf } from '../records/writing/outbox-windows';
import { webhookEvents } from '../telemetry/metrics';
import { DeliveriesRepository } from './deliveries.repository';
import { DeliverySlots } from './delivery-slots';
import { HookRunner, type RunnerParts } from './hook-runner';
import { PendingRepository } from './pending.repository';
import type { Webhook } from './webhook';
import { WebhookSender } from './webhook-sender';
import { WebhooksRepository } from './webhooks.repository';
import { WebhooksService } from './webhooks.service';

const ROUND_MS = 400;
/** How often is looked whether logs have got longer by another process, or webhooks were changed. */
const POLL_EVERY_MS = 2000;
/** Whoever has changed a webhook may have died before it could mark that. */
const LIST_EVERY_MS = 60_000;
const LONGEST_RETRY_MS = 6 * 3_600_000;
const AT_ONCE = 16;
/** Deliveries under way, of a process and of an organization in it. */
const DELIVERIES_MAX = 64;
const DELIVERIES_OF_ORGANIZATION_MAX = 16;

type Parts = Omit<RunnerParts, 'stop' | 'check'>;

class ShardDispatcher extends BackgroundWorker {
  private readonly runners = new Map<string, HookRunner>();
  /** By organization, as of the last look at its webhooks. */
  private readonly marks = new Map<string, string>();
  private polledAt = 0;
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

  /** Events in memory that are not done. */
  get waiting(): number {
    return [...this.runners.values()].reduce((sum, runner) => sum + runner.waiting, 0);
  }

  /** The log of an organization has got longer. */
  tell(organizationId: string): void {
    const runners = this.runnersOf(organizationId);
    for (const runner of runners) runner.tellNews();
    if (runners.length > 0) this.wake();
  }

  protected async round(lease: Lease, first: boolean): Promise<void> {
    const now = Date.now();
    if (first) {
      // What another process has done since is not what this one remembers.
      await this.idle();
      this.runners.clear();
    }
    if (first || now - this.listedAt >= LIST_EVERY_MS) {
      this.marks.clear();
      this.listedAt = now;
    }
    if (first || now - this.polledAt >= POLL_EVERY_MS) {
      await this.listChanged(lease);
      await this.lookAtHeads();
      this.polledAt = now;
    }
    await inParallel(this.runners.values(), AT_ONCE, async (runner) => {
      if (this.stopping.signal.aborted) return;
      lease.check();
      try {
        await runner.step();
      } catch (error) {
        this.parts.report(error, runner.webhook);
      }
    });
    for (const [id, runner] of this.runners) {
      if (!runner.hasEnded) continue;
      this.runners.delete(id);
      // It may have been enabled again meanwhile: two at once would not keep the order.
      this.marks.delete(runner.webhook.organizationId);
    }
  }

  /** Takes in the webhooks of organizations where something was changed. */
  private async listChanged(lease: Lease): Promise<void> {
    const marks = await this.webhooks.organizations(this.shard);
    const changed = [...marks].filter(([id, mark]) => this.marks.get(id) !== mark);
    await inParallel(changed, AT_ONCE, async ([organizationId, mark]) => {
      const { webhooks } = await this.webhooks.list(organizationId);
      const enabled = webhooks.filter((webhook) => webhook.enabled);
      for (const webhook of enabled) {
        const runner = this.runners.get(webhook.id) ?? this.runnerUnder(lease, webhook);
        this.runners.set(webhook.id, runner);
        runner.webhook = webhook;
        runner.askAgain();
      }
      const ended = this.runnersOf(organizationId).filter(
        ({ webhook }) => !enabled.some(({ id }) => id === webhook.id),
      );
      for (const runner of ended) runner.end();
      this.marks.set(organizationId, mark);
    });
    // What is not there any more was erased.
    for (const runner of this.runners.values()) {
      if (!marks.has(runner.webhook.organizationId)) runner.end();
    }
  }

  /** One look for all webhooks of an organization: where nothing has come none of them reads. */
  private async lookAtHeads(): Promise<void> {
    const byOrganization = groupBy(this.runners.values(), ({ webhook }) => webhook.organizationId);
    await inParallel(byOrganization, AT_ONCE, async ([organizationId, runners]) => {
      const head = await this.parts.reader.head(organizationId);
      for (const runner of runners) if (runner.isBehind(head)) runner.tellNews();
    });
  }

  private runnersOf(organizationId: string): HookRunner[] {
    return [...this.runners.values()].filter(
      ({ webhook }) => webhook.organizationId === organizationId,
    );
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
export class Dispatcher extends ShardWorkers<ShardDispatcher> {
  private readonly sender: WebhookSender;
  private readonly unwatch: () => void;

  constructor(
    webhooks: WebhooksRepository,
    pending: PendingRepository,
    deliveries: DeliveriesRepository,
    service: WebhooksService,
    reader: ChangeReader,
    waiters: ChangeWaiters,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const { allowPrivate, firstRetryMs, giveUpMs } = config.get('webhooks', { infer: true });
    const sender = new WebhookSender(allowPrivate);
    const parts: Parts = {
      reader,
      pending,
      deliveries,
      sender,
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
    super(
      OUTBOX_SHARDS,
      (shard) => new ShardDispatcher(shard, webhooks, parts, enabled, cassandra, logger),
    );
    this.sender = sender;
    this.unwatch = webhookEvents.add(() =>
      this.workers.reduce((sum, { waiting }) => sum + waiting, 0),
    );
    waiters.alsoTell((organizationId) => {
      this.workers[outboxShardOf(organizationId)]?.tell(organizationId);
    });
  }

  override async onApplicationShutdown(): Promise<void> {
    await super.onApplicationShutdown();
    this.unwatch();
    this.sender.close();
  }
}
