import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker } from '../cassandra/background-worker';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import { unseal } from '../common/sealed';
import { type AppConfig, deriveKeys, type Keys } from '../config/app-config';
import type { Mail, QueuedMail } from './mail';
import { MailQueueRepository } from './mail-queue.repository';
import { createMailTransport, type MailTransport } from './mail-transport';
import { HOURS_KEPT, lastHours } from './queue-hours';

const PAGE = 50;
const POLL_MS = 1000;
const FIRST_RETRY_MS = 5000;
const LONGEST_RETRY_MS = 900_000;

/** Sends what is in the queue. */
@Injectable()
export class MailSender extends BackgroundWorker {
  private readonly transport: MailTransport;
  private readonly keys: Keys;
  /** Hours that had something left when they were looked at last. */
  private unfinished: string[] = [];

  constructor(
    private readonly queue: MailQueueRepository,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    super('mail', config.get('workers', { infer: true }), POLL_MS, cassandra, logger);
    this.transport = createMailTransport(config.get('mail', { infer: true }));
    this.keys = deriveKeys(config.get('auth', { infer: true }), 'mail queue');
  }

  protected async round(lease: Lease, first: boolean): Promise<void> {
    // What the process before has left may be in any hour; after one full look, only hours with
    // something left in them and the latest two are worth asking for.
    const hours = first ? lastHours(HOURS_KEPT) : [...this.unfinished, ...lastHours(2)];
    const unfinished: string[] = [];
    for (const hour of new Set(hours)) {
      lease.check();
      if (!(await this.sendHour(hour))) unfinished.push(hour);
    }
    this.unfinished = unfinished;
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
    const opened = unseal(this.keys, mail.message);
    if (!opened) {
      this.logger.error(about, 'mail cannot be opened: its key is gone');
      await this.queue.remove(mail);
      return true;
    }
    const message = JSON.parse(opened.toString()) as Mail;
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
}
