import type { ChangeReader } from '../changes/change-reader.service';
import { toChangeDto } from '../changes/changes.dto';
import type { Change } from '../changes/change';
import { webhookAttempts } from '../telemetry/metrics';
import type { DeliveriesRepository } from './deliveries.repository';
import type { DeliverySlots } from './delivery-slots';
import { EndpointHealth, pauseAfter, type RetryPolicy } from './endpoint-health';
import { OF_RECORD_MAX, PendingEvents, recordOf } from './pending-events';
import type { PendingRepository } from './pending.repository';
import {
  AGAIN_CHUNK,
  chunkOf,
  firstOf,
  isWanted,
  type Pending,
  signedHeaders,
  type Webhook,
} from './webhook';
import type { Outcome, WebhookSender } from './webhook-sender';

const AT_ONCE = 4;
const READ_SIZE = 100;
/** Of one look for what is to be sent again by hand, and how often to look while some have to wait. */
const AGAIN_SIZE = 1000;
const AGAIN_EVERY_MS = 2000;

export interface RunnerParts {
  reader: ChangeReader;
  pending: PendingRepository;
  deliveries: DeliveriesRepository;
  sender: WebhookSender;
  slots: DeliverySlots;
  retry: RetryPolicy;
  secretsOf(webhook: Webhook): Buffer[];
  /** Nothing but failures for as long as events are tried: to be disabled. */
  giveUp(webhook: Webhook): Promise<void>;
  report(error: unknown, webhook: Webhook): void;
  /** The process ends, or another one may be sending. */
  stop: AbortSignal;
  /** Throws once another process may be sending. */
  check(): void;
}

/** Sends the events of one webhook: those of a record in their order, others beside each other. */
export class HookRunner {
  private readonly events = new PendingEvents();
  private readonly sending = new Set<number>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly ending = new AbortController();
  private readonly stop: AbortSignal;
  private next: number | undefined;
  private hasNews = true;
  private isAskedAgain = true;
  private lookedAt = 0;
  private readonly health: EndpointHealth;
  private failingSince: Date | null = null;

  constructor(
    public webhook: Webhook,
    private readonly parts: RunnerParts,
  ) {
    this.health = new EndpointHealth(parts.retry);
    this.stop = AbortSignal.any([parts.stop, this.ending.signal]);
  }

  /** The log has got longer, it seems. */
  tellNews(): void {
    this.hasNews = true;
  }

  /** Something is to be sent again by hand, it seems. */
  askAgain(): void {
    this.isAskedAgain = true;
    this.lookedAt = 0;
  }

  /** Whether the log goes on behind what was read of it. */
  isBehind(head: number): boolean {
    return this.next !== undefined && this.next < head;
  }

  /** Takes in what is new, if it was told of any, and begins what is due. Does not wait for answers. */
  async step(): Promise<void> {
    if (this.stop.aborted) return;
    if (this.next === undefined) await this.load();
    if (this.isAskedAgain && Date.now() - this.lookedAt >= AGAIN_EVERY_MS)
      await this.lookForAgain();
    for (const [record, position] of this.events.starved()) await this.takeBack(record, position);
    if (this.hasNews) await this.readOn();
    this.beginDue();
  }

  /** Begins nothing more, and aborts what is under way. */
  end(): void {
    this.ending.abort();
    this.parts.slots.forget(this);
  }

  /** Events in memory that are not done. */
  get waiting(): number {
    return this.events.size;
  }

  get hasEnded(): boolean {
    return this.stop.aborted && this.underWay.size === 0;
  }

  /** Until nothing is on its way any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.underWay);
  }

  private async load(): Promise<void> {
    const { pending } = this.parts;
    const progress = await pending.progress(this.webhook);
    if (!progress) throw new Error('A webhook does not know where to read');
    const { pendingChunk, nextPosition } = progress;
    for await (const page of pending.walk(this.webhook, firstOf(pendingChunk), nextPosition)) {
      for (const one of page) this.events.add(one);
    }
    this.failingSince = progress.failingSince;
    this.next = nextPosition;
  }

  private async lookForAgain(): Promise<void> {
    const found = await this.parts.pending.list(this.webhook, AGAIN_CHUNK, 0, AGAIN_SIZE);
    const news = found.filter(({ position }) => this.events.chunkAt(position) === undefined);
    for (const one of news) this.events.put(one);
    // Whoever asks for it believes that the endpoint is well again.
    if (news.length > 0) this.health.endPause();
    this.lookedAt = Date.now();
    // One that is on its way anyhow has to be done first.
    this.isAskedAgain = found.some(
      ({ position, chunk }) => this.events.chunkAt(position) !== chunk,
    );
  }

  /** Has the events of a record in memory again that there was no room for. */
  private async takeBack(record: string, from: number): Promise<void> {
    const found: Pending[] = [];
    for await (const page of this.parts.pending.walk(this.webhook, from, this.next ?? 0)) {
      found.push(...page.filter((one) => recordOf(one) === record));
      if (found.length > OF_RECORD_MAX) break;
    }
    this.events.takeBack(record, found);
  }

  private async readOn(): Promise<void> {
    const { pending, reader } = this.parts;
    while (!this.stop.aborted) {
      if (this.events.isFull(this.health.isFailing)) return;
      // Before it is read: somebody may tell meanwhile.
      this.hasNews = false;
      const from = this.next ?? 0;
      try {
        const page = await reader.read(this.webhook.organizationId, from, READ_SIZE);
        if (page.next === from) return;
        this.hasNews = true;
        const wanted = this.wantedOf(page.changes);
        this.parts.check();
        await pending.put(this.webhook, wanted);
        for (const one of wanted) this.events.add(one);
        await pending.move(this.webhook, page.next, chunkOf(this.events.first() ?? page.next));
        this.next = page.next;
      } catch (error) {
        this.hasNews = true;
        throw error;
      }
    }
  }

  private wantedOf(changes: readonly Change[]): Pending[] {
    const now = new Date();
    return changes
      .filter(({ object, event }) => isWanted(this.webhook, object, event.kind))
      .map(({ position, object, id, version, at }) => {
        const pointer = { position, object, id, version, at };
        return { ...pointer, chunk: chunkOf(position), attempts: 0, firstAt: now, nextAt: now };
      });
  }

  private readonly beginDue = (): void => {
    if (this.stop.aborted) return;
    for (const one of this.due()) {
      const { organizationId } = this.webhook;
      if (!this.parts.slots.tryTake(this, organizationId, this.beginDue)) return;
      this.begin(one);
    }
  };

  /** The first event of each record that is due, as many as may be on their way at once. */
  private due(): Pending[] {
    const now = Date.now();
    const { isFailing, isPaused } = this.health;
    const room = (isFailing ? 1 : AT_ONCE) - this.sending.size;
    if (room <= 0 || isPaused) return [];
    const idle = this.events.firsts().filter(({ position }) => !this.sending.has(position));
    // A probe is the one that has waited longest: one that always fails must not stand for all.
    if (isFailing) {
      return idle.sort((a, b) => a.nextAt.getTime() - b.nextAt.getTime()).slice(0, 1);
    }
    return idle
      .filter(({ nextAt }) => nextAt.getTime() <= now)
      .sort((a, b) => a.position - b.position)
      .slice(0, room);
  }

  private begin(one: Pending): void {
    const { organizationId } = this.webhook;
    this.sending.add(one.position);
    const work = this.deliver(one)
      .catch((error: unknown) => {
        // What fails here is the database, not the endpoint: not at once again.
        one.nextAt = new Date(Date.now() + 1000);
        if (!this.stop.aborted) this.parts.report(error, this.webhook);
      })
      .finally(() => {
        this.sending.delete(one.position);
        this.underWay.delete(work);
        this.parts.slots.release(organizationId);
        this.beginDue();
      });
    this.underWay.add(work);
  }

  private async deliver(one: Pending): Promise<void> {
    const { reader, sender } = this.parts;
    const [change] = await reader.withEvents(this.webhook.organizationId, [one]);
    if (!change) {
      // Purged since: there is nothing left to tell.
      await this.forget(one);
      return;
    }
    const body = JSON.stringify(eventBody(change));
    const id = `msg_${this.webhook.id}_${String(one.position)}`;
    const startedAt = new Date();
    const headers = signedHeaders(id, startedAt, body, this.parts.secretsOf(this.webhook));
    this.parts.check();
    const outcome = await sender.send(this.webhook.url, headers, body, this.stop);
    // Aborted is not failed: whoever goes on tries it again.
    if (this.stop.aborted && !outcome.ok) return;
    webhookAttempts.inc({ outcome: outcome.error ?? 'delivered' });
    // What has waited for its first attempt has not been tried in vain for that long.
    const firstAt = one.attempts === 0 ? startedAt : one.firstAt;
    await this.settle({ ...one, firstAt, attempts: one.attempts + 1 }, outcome);
  }

  private async settle(one: Pending, outcome: Outcome): Promise<void> {
    const { retry, deliveries, pending } = this.parts;
    const now = Date.now();
    const isOver = !outcome.ok && now - one.firstAt.getTime() >= retry.giveUpMs;
    const status = outcome.ok ? 'delivered' : isOver ? 'dead' : 'pending';
    const { status: lastStatus, error, latencyMs } = outcome;
    const tried = { status, lastAt: new Date(now), lastStatus, error, latencyMs } as const;
    await deliveries.put(this.webhook, { ...one, ...tried });
    await this.noteOutcome(one, outcome);
    if (status === 'pending') {
      const nextAt = new Date(now + pauseAfter(one.attempts, retry));
      const again = { ...one, nextAt };
      await pending.put(this.webhook, [again]);
      this.events.put(again);
    } else {
      await this.forget(one);
    }
    if (!outcome.ok && now - (this.failingSince?.getTime() ?? now) >= retry.giveUpMs) {
      await this.parts.giveUp(this.webhook);
      this.end();
    }
  }

  /** Keeps since when the endpoint fails: the clock goes on over the end of a process. */
  private async noteOutcome(one: Pending, { ok }: Outcome): Promise<void> {
    if (ok && this.health.isFailing) this.events.hurry();
    if (ok) this.health.succeeded();
    else this.health.failed(recordOf(one));
    if (ok === (this.failingSince === null)) return;
    this.failingSince = ok ? null : one.firstAt;
    await this.parts.pending.setFailingSince(this.webhook, this.failingSince);
  }

  private async forget(one: Pending): Promise<void> {
    await this.parts.pending.remove(this.webhook, one);
    this.events.remove(one);
  }
}

/** What is sent: the change, under a name to switch on. */
function eventBody(change: Change) {
  const data = toChangeDto(change);
  return { type: `${data.object}.${data.kind}`, timestamp: data.at, data };
}
