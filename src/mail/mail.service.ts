import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v7 as timeOrderedId } from 'uuid';
import { type AppConfig, deriveKey } from '../config/app-config';
import type { Mail } from './mail';
import { sealMail } from './mail-cipher';
import { MailQueueRepository } from './mail-queue.repository';
import { hourOf, MailSender } from './mail-sender.service';

/** The way out for mail: stored before the request is answered, sent in the background. */
@Injectable()
export class MailService {
  private readonly key: Buffer;

  constructor(
    private readonly queue: MailQueueRepository,
    private readonly sender: MailSender,
    config: ConfigService<AppConfig, true>,
  ) {
    const [key] = config.get('auth', { infer: true }).keys;
    this.key = deriveKey(key?.secret ?? '', 'mail queue');
  }

  /** Returns when the message is safe. It is sent as soon as the mail server takes it. */
  async send(organizationId: string, mail: Mail): Promise<void> {
    const now = new Date();
    await this.queue.put({
      hour: hourOf(now),
      id: timeOrderedId(),
      organizationId,
      message: sealMail(this.key, mail),
      attempts: 0,
      nextAttemptAt: now,
    });
    this.sender.wake();
  }
}
