import type { ChangeReader } from '../changes/change-reader.service';
import { toChangeDto } from '../changes/changes.dto';
import type { Change } from '../changes/change';
import type { DeliveriesRepository } from './deliveries.repository';
import type { DeliverySlots } from './delivery-slots';
import type { PendingRepository } from './pending.repository';
import {
  AGAIN_CHUNK,
  chunkOf,
  isWanted,
  type Pending,
  signedHeaders,
  type Webhook,
} from './webhook';
import type { Outcome, WebhookSender } from './webhook-sender';

const AT_ONCE = 4;
const PENDING_MAX = 1000;
/** Of one chunk; all that were read while there was room for more. */
const LOAD_SIZE = PENDING_MAX * 2;
const READ_SIZE = 100;
/** After so many failures in a row an endpoint gets one delivery at a time, when its pause is over. */
const FAILING_AFTER = 3;
/** How often is looked for what is to be sent again by hand. */
const AGAIN_EVERY_MS = 2000;

export interface RetryPolicy {
  firstMs: number;
  longestMs: number;
  giveUpMs: number;
}

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
  private readonly pending = new Map<number, Pending>();
  private readonly sending = new Set<number>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly ending = new AbortController();
  private readonly stop: AbortSignal;
  private next: number | undefined;
  private failures = 0;
  private failingSince: Date | null = null;
  private probeAt = 0;
  private lookedAt = 0;

  constructor(
    public webhook: Webhook,
    private readonly parts: RunnerParts,
  ) {
    this.stop = AbortSignal.any([parts.stop, this.ending.signal]);
  }

  /** Takes in what is new, and begins what is due. Does not wait for answers. */
  async step(): Promise<void> {
    if (this.stop.aborted) return;
    if (this.next === undefined) await this.load();
    if (Date.now() - this.lookedAt >= AGAIN_EVERY_MS) await this.lookForAgain();
    await this.readOn();
    this.beginDue();
  }

  /** Begins nothing more, and aborts what is under way. */
  end(): void {
    this.ending.abort();
    this.parts.slots.forget(this);
  }

  get hasEnded(): boolean {
    return this.stop.aborted && this.underWay.size === 0;
  }

  /** Until nothing is on its way any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.underWay);
  }

  private async load(): Promise<void> {
    const progress = await this.parts.pending.progress(this.webhook);
    if (!progress) throw new Error('A webhook does not know where to read');
    const last = chunkOf(Math.max(progress.nextPosition - 1, 0));
    for (let chunk = progress.pendingChunk; chunk <= last; chunk++) {
      for (const one of await this.parts.pending.list(this.webhook, chunk, LOAD_SIZE)) {
        this.pending.set(one.position, one);
      }
    }
    this.failingSince = progress.failingSince;
    this.next = progress.nextPosition;
  }

  private async lookForAgain(): Promise<void> {
    const found = await this.parts.pending.list(this.webhook, AGAIN_CHUNK, LOAD_SIZE);
    for (const one of found.filter(({ position }) => !this.pending.has(position))) {
      this.pending.set(one.position, one);
      // Whoever asks for it believes that the endpoint is well again.
      this.probeAt = 0;
    }
    this.lookedAt = Date.now();
  }

  private async readOn(): Promise<void> {
    const { pending, reader } = this.parts;
    while (this.pending.size < PENDING_MAX && !this.stop.aborted) {
      const from = this.next ?? 0;
      const page = await reader.read(this.webhook.organizationId, from, READ_SIZE);
      if (page.next === from) return;
      const now = new Date();
      const wanted = page.changes
        .filter(({ object, event }) => isWanted(this.webhook, object, event.kind))
        .map(({ position, object, id, version, at }) => ({
          chunk: chunkOf(position),
          position,
          object,
          id,
          version,
          at,
          attempts: 0,
          firstAt: now,
          nextAt: now,
        }));
      this.parts.check();
      await pending.put(this.webhook, wanted);
      for (const one of wanted) this.pending.set(one.position, one);
      const chunks = [...this.pending.values()].map(({ chunk }) => chunk);
      const first = Math.min(chunkOf(page.next), ...chunks.filter((chunk) => chunk >= 0));
      await pending.move(this.webhook, page.next, first);
      this.next = page.next;
    }
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
    const isFailing = this.failures >= FAILING_AFTER;
    if (isFailing && this.probeAt > now) return [];
    const room = (isFailing ? 1 : AT_ONCE) - this.sending.size;
    if (room <= 0) return [];
    const seen = new Set<string>();
    const due: Pending[] = [];
    for (const one of [...this.pending.values()].sort((a, b) => a.position - b.position)) {
      const record = `${one.object} ${one.id}`;
      if (seen.has(record)) continue;
      seen.add(record);
      const isDue = one.nextAt.getTime() <= now || isFailing;
      if (due.length < room && isDue && !this.sending.has(one.position)) due.push(one);
    }
    return due;
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
      const pause = Math.min(retry.firstMs * 2 ** (one.attempts - 1), retry.longestMs);
      const nextAt = new Date(now + pause * (0.5 + Math.random()));
      this.probeAt = nextAt.getTime();
      const again = { ...one, nextAt };
      await pending.put(this.webhook, [again]);
      this.pending.set(one.position, again);
      return;
    }
    await this.forget(one);
    if (isOver && now - (this.failingSince?.getTime() ?? now) >= retry.giveUpMs) {
      await this.parts.giveUp(this.webhook);
    }
  }

  /** Keeps since when the endpoint fails: the clock goes on over the end of a process. */
  private async noteOutcome(one: Pending, { ok }: Outcome): Promise<void> {
    this.failures = ok ? 0 : this.failures + 1;
    if (ok === (this.failingSince === null)) return;
    this.failingSince = ok ? null : one.firstAt;
    await this.parts.pending.setFailingSince(this.webhook, this.failingSince);
  }

  private async forget(one: Pending): Promise<void> {
    await this.parts.pending.remove(this.webhook, one);
    this.pending.delete(one.position);
  }
}

/** What is sent: the change, under a name to switch on. */
function eventBody(change: Change) {
  const data = toChangeDto(change);
  return { type: `${data.object}.${data.kind}`, timestamp: data.at, data };
}
