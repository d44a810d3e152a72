import { Module } from '@nestjs/common';
import { MailQueueRepository } from './mail-queue.repository';
import { MailSender } from './mail-sender.service';
import { MailService } from './mail.service';

@Module({
  providers: [MailService, MailSender, MailQueueRepository],
  exports: [MailService],
})
export class MailModule {}
