import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import { type AppConfig, deriveKey } from '../config/app-config';
import type { QueuedMail } from './mail';
import { openMail } from './mail-cipher';
import { MailQueueRepository } from './mail-queue.repository';
import { createMailTransport, type MailTransport } from './mail-transport';

const HOUR_MS = 3_600_000;
/** As long as the rows of the queue live. */
const HOURS_KEPT = 72;
const PAGE = 50;
const POLL_MS = 1000;
/** How soon another process takes over where the sending one has died, beside the lease's own time. */
const CLAIM_EVERY_MS = 5000;
const FIRST_RETRY_MS = 5000;
const LONGEST_RETRY_MS = 900_000;

/** The partition of the queue for a point in time, e.g. `2026-01-31T09`. */
export function hourOf(time: Date): string {
  return time.toISOString().slice(0, 13);
}

/** Sends what is in the queue. Of all processes, the one that holds the lease does. */
@Injectable()
export class MailSender implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly transport: MailTransport;
  private readonly keys: Buffer[];
  private readonly enabled: boolean;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private wakeUp: () => void = () => undefined;

  constructor(
    private readonly queue: MailQueueRepository,
    private readonly cassandra: CassandraService,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.transport = createMailTransport(config.get('mail', { infer: true }));
    this.enabled = config.get('workers', { infer: true });
    const { keys } = config.get('auth', { infer: true });
    this.keys = keys.map(({ secret }) => deriveKey(secret, 'mail queue'));
  }

  onApplicationBootstrap(): void {
    if (this.enabled) this.running = this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    this.wakeUp();
    await this.running;
  }

  /** There is something to send: do not wait for the next look. */
  wake(): void {
    this.wakeUp();
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.cassandra.underLease('mail', (lease) => this.sendWhileHolding(lease));
      } catch (error) {
        // Held by another process, lost, or no database: try again in a while.
        this.logger.debug({ err: error }, 'not sending mail');
      }
      await this.pause(CLAIM_EVERY_MS);
    }
  }

  private async sendWhileHolding(lease: Lease): Promise<void> {
    // What the holder before has left may be in any hour; after one full look, only hours with
    // something left in them and the latest two are worth asking for.
    let hours = lastHours(HOURS_KEPT);
    while (!this.stopping.signal.aborted) {
      const unfinished: string[] = [];
      for (const hour of hours) {
        lease.check();
        if (!(await this.sendHour(hour))) unfinished.push(hour);
      }
      await this.pause(POLL_MS);
      hours = [...new Set([...unfinished, ...lastHours(2)])];
    }
  }

  /** False when something is left for later. */
  private async sendHour(hour: string): Promise<boolean> {
    const mails = await this.queue.list(hour, PAGE);
    let done = mails.length < PAGE;
    for (const mail of mails) {
      if (this.stopping.signal.aborted) return false;
      if (mail.nextAttemptAt.getTime() > Date.now() || !(await this.sendOne(mail))) done = false;
    }
    return done;
  }

  private async sendOne(mail: QueuedMail): Promise<boolean> {
    const about = { mail_id: mail.id, organization_id: mail.organizationId };
    const message = openMail(this.keys, mail.message);
    if (!message) {
      this.logger.error(about, 'mail cannot be opened: its key is gone');
      await this.queue.remove(mail);
      return true;
    }
    const { to } = message;
    if (to === null) {
      await this.queue.remove(mail);
      return true;
    }
    try {
      await this.transport(mail.id, { ...message, to });
    } catch (error) {
      const attempts = mail.attempts + 1;
      const wait = Math.min(FIRST_RETRY_MS * 2 ** mail.attempts, LONGEST_RETRY_MS);
      this.logger.warn(
        { ...about, attempts, err: error },
        'mail was not taken, trying again later',
      );
      await this.queue.put({ ...mail, attempts, nextAttemptAt: new Date(Date.now() + wait) });
      return false;
    }
    await this.queue.remove(mail);
    this.logger.info({ ...about, subject: message.subject }, 'mail sent');
    return true;
  }

  private async pause(milliseconds: number): Promise<void> {
    if (this.stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function lastHours(count: number): string[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, index) =>
    hourOf(new Date(now - index * HOUR_MS)),
  ).reverse();
}
