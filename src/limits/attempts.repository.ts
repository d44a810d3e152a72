import { Injectable } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { timeOfId } from '../common/time-ordered-id';

interface AttemptRow {
  id: { toString(): string };
}

const insert = defineQuery(
  'attempts.insert',
  'INSERT INTO attempts (subject, id) VALUES (:subject, :id) USING TTL :ttl',
);
const list = defineQuery<AttemptRow>(
  'attempts.list',
  'SELECT id FROM attempts WHERE subject = :subject LIMIT :size',
);
const remove = defineQuery(
  'attempts.remove',
  'DELETE FROM attempts WHERE subject = :subject AND id = :id',
);
const clear = defineQuery(
  'attempts.clear',
  'DELETE FROM attempts WHERE subject = :subject AND id <= :id',
);

@Injectable()
export class AttemptsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async add(subject: string, ttl: number): Promise<string> {
    const id = timeOrderedId();
    await this.cassandra.run(insert, { subject, id, ttl });
    return id;
  }

  /** When the latest attempts were, newest first, in epoch ms. */
  async times(subject: string, size: number): Promise<number[]> {
    const rows = await this.cassandra.page(list, { subject }, size);
    return rows.map(({ id }) => timeOfId(id.toString()));
  }

  async remove(subject: string, id: string): Promise<void> {
    await this.cassandra.run(remove, { subject, id });
  }

  /** Forgets an attempt and everything before it. */
  async clear(subject: string, id: string): Promise<void> {
    await this.cassandra.run(clear, { subject, id });
  }
}
