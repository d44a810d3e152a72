import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v7 as timeOrderedId } from 'uuid';
import { seal } from '../common/sealed';
import { type AppConfig, deriveKeys } from '../config/app-config';
import type { Mail } from './mail';
import { MailQueueRepository } from './mail-queue.repository';
import { MailSender } from './mail-sender.service';
import { HOURS_KEPT, hourOf, lastHours } from './queue-hours';

const PAGE = 200;

/** The way out for mail: stored before the request is answered, sent in the background. */
@Injectable()
export class MailService {
  private readonly key: KeyObject;

  constructor(
    private readonly queue: MailQueueRepository,
    private readonly sender: MailSender,
    config: ConfigService<AppConfig, true>,
  ) {
    [this.key] = deriveKeys(config.get('auth', { infer: true }), 'mail queue');
  }

  /** Returns when the message is safe. It is sent as soon as the mail server takes it. */
  async send(organizationId: string, mail: Mail): Promise<void> {
    const now = new Date();
    await this.queue.put({
      hour: hourOf(now),
      id: timeOrderedId(),
      organizationId,
      message: seal(this.key, Buffer.from(JSON.stringify(mail))),
      attempts: 0,
      nextAttemptAt: now,
    });
    this.sender.wake();
  }

  /** Takes back what is not sent yet of an organization that is being erased. */
  async forget(organizationId: string): Promise<void> {
    for (const hour of lastHours(HOURS_KEPT)) {
      for (let after: string | undefined; ;) {
        const mails = await this.queue.list(hour, PAGE, after);
        const own = mails.filter((mail) => mail.organizationId === organizationId);
        for (const mail of own) await this.queue.remove(mail);
        after = mails.at(-1)?.id;
        if (mails.length < PAGE) break;
      }
    }
  }
}
