import { Injectable } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import { AppError, contended } from '../../common/errors';
import { backOff } from '../back-off';
import type { Actor, Draft, StoredRecord } from '../record';
import type { RecordDefinition } from '../record-definition';
import { RecordWriter } from './record-writer.service';
import { type RecordKey, RecordsRepository } from '../store/records.repository';

const ATTEMPTS = 12;

/** Changes of records that are no wish of a user: nobody's permission or version is asked for. */
@Injectable()
export class RecordUpdater {
  constructor(
    private readonly records: RecordsRepository,
    private readonly writer: RecordWriter,
  ) {}

  /**
   * Changes a record as it is now, however often somebody else is faster.
   * @returns it as it is afterwards, also where there was nothing to change
   * @throws AppError NOT_FOUND, DUPLICATE, CONFLICT
   */
  async update(
    actor: Actor,
    definition: RecordDefinition,
    key: RecordKey,
    decide: (base: StoredRecord) => Draft | undefined | Promise<Draft | undefined>,
  ): Promise<StoredRecord> {
    const operationId = timeOrderedId();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const base = await this.records.find(key, true);
      if (!base) throw new AppError('NOT_FOUND');
      const draft = await decide(base);
      if (!draft) return base;
      const written = await this.writer.write(definition, actor, key, base, draft, operationId);
      if (written) return written;
      await backOff(attempt);
    }
    throw contended();
  }
}
