import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { QueuedMail } from './mail';

interface MailRow {
  hour: string;
  id: { toString(): string };
  organization_id: string;
  message: Buffer;
  attempts: number;
  next_attempt_at: Date;
}

const insert = defineQuery(
  'mail_queue.insert',
  `INSERT INTO mail_queue (hour, id, organization_id, message, attempts, next_attempt_at)
   VALUES (:hour, :id, :organization_id, :message, :attempts, :next_attempt_at)`,
);
const list = defineQuery<MailRow>(
  'mail_queue.list',
  `SELECT hour, id, organization_id, message, attempts, next_attempt_at
   FROM mail_queue WHERE hour = :hour AND id > :after LIMIT :size`,
);
const remove = defineQuery(
  'mail_queue.remove',
  'DELETE FROM mail_queue WHERE hour = :hour AND id = :id',
);

const SMALLEST_ID = '00000000-0000-0000-0000-000000000000';

@Injectable()
export class MailQueueRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Adds a message, or writes it again with another attempt counted. */
  async put(mail: QueuedMail): Promise<void> {
    await this.cassandra.run(insert, {
      hour: mail.hour,
      id: mail.id,
      organization_id: mail.organizationId,
      message: mail.message,
      attempts: mail.attempts,
      next_attempt_at: mail.nextAttemptAt,
    });
  }

  /** The oldest messages of an hour, at most `size`, from behind the one named. */
  async list(hour: string, size: number, after = SMALLEST_ID): Promise<QueuedMail[]> {
    const rows = await this.cassandra.page(list, { hour, after }, size);
    return rows.map((row) => ({
      hour: row.hour,
      id: row.id.toString(),
      organizationId: row.organization_id,
      message: row.message,
      attempts: row.attempts,
      nextAttemptAt: row.next_attempt_at,
    }));
  }

  async remove({ hour, id }: QueuedMail): Promise<void> {
    await this.cassandra.run(remove, { hour, id });
  }
}
