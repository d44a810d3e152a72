import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { AppError } from '../../common/errors';
import type { AppConfig } from '../../config/app-config';
import { ClaimsService } from './claims.service';
import type { MergeData } from '../merging/merge';
import { MergeReferences } from '../merging/merge-references.service';
import type { Actor } from '../record';
import { definitionOf } from '../record-definition';
import { RecordErasure } from '../erasing/record-erasure.service';
import { RecordMerges } from '../merging/record-merges.service';
import { RecordPurger } from '../erasing/record-purger.service';
import { RecordWriter, type WriteDetail } from './record-writer.service';
import { type RecordKey, RecordsRepository } from '../store/records.repository';
import { type WriteIntent, WriteIntentsRepository } from '../store/write-intents.repository';

/** One that cannot be finished must not hold up the others. */
const POSTPONE_MS = 600_000;
/** The record is being written just now. */
export const CONTENDED_MS = 60_000;

/** Finishes what an intent says, whatever of it has been done. Any number of times is fine. */
@Injectable()
export class IntentFinisher {
  private readonly retentionMs: number;

  constructor(
    private readonly intents: WriteIntentsRepository,
    private readonly records: RecordsRepository,
    private readonly writer: RecordWriter,
    private readonly claims: ClaimsService,
    private readonly merger: RecordMerges,
    private readonly references: MergeReferences,
    private readonly purger: RecordPurger,
    private readonly erasure: RecordErasure,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.retentionMs = config.get('records', { infer: true }).retentionMs;
  }

  /** Finishes everything of a window. @returns how many intents there were */
  async finishWindow(shard: number, window: Date): Promise<number> {
    for (let count = 0; ;) {
      const intents = await this.intents.list(shard, window);
      for (const intent of intents) {
        try {
          await this.finish(intent);
        } catch (error) {
          // Without the database there is nothing to be done but to try again, here.
          if (error instanceof AppError && error.status === 503) throw error;
          await this.postpone(intent, error);
        }
        await this.intents.remove(intent);
      }
      count += intents.length;
      if (intents.length === 0) return count;
    }
  }

  private async postpone(intent: WriteIntent, error: unknown): Promise<void> {
    const { id: intentId, organizationId, object, recordId: id, kind } = intent;
    // Without its detail: that has the emails and the like of people.
    const about = { intent_id: intentId, organization_id: organizationId, object, id, kind };
    const isContended = error instanceof AppError && error.code === 'CONFLICT';
    this.logger[isContended ? 'warn' : 'error'](
      { err: error, ...about },
      'a write could not be finished: later again',
    );
    const delay = isContended ? CONTENDED_MS : POSTPONE_MS;
    await this.intents.add(intent, new Date(Date.now() + delay));
  }

  private async finish(intent: WriteIntent): Promise<void> {
    const { organizationId, object, recordId: id, kind } = intent;
    this.logger.debug({ organization_id: organizationId, object, id, kind }, 'finishing a write');
    const key = { organizationId, object, id };
    switch (kind) {
      case 'write':
        return this.finishWrite(key, JSON.parse(intent.detail) as WriteDetail);
      case 'merge':
        return this.finishMerge(key, intent.detail);
      case 'purge':
        return this.purge(key);
      case 'erase':
        await this.erasure.run(JSON.parse(intent.detail) as Actor, key);
    }
  }

  private async finishWrite(key: RecordKey, detail: WriteDetail): Promise<void> {
    const definition = definitionOf(key.object);
    await this.claims.tidy(definition, key, detail.uniques);
    const record = await this.records.find(key, true);
    if (record && record.state !== 'fenced') {
      await this.writer.settle(definition, record, detail.version);
      await this.references.follow(definition, record);
    }
  }

  private async finishMerge(key: RecordKey, detail: string): Promise<void> {
    const { organizationId, id: mergeId } = key;
    await this.merger.run(organizationId, mergeId);
    const merge = await this.records.find(key, true);
    if (detail === '' || !merge) return;
    const { loserId, winnerId } = JSON.parse(detail) as { loserId: string; winnerId: string };
    const { object } = merge.data as MergeData;
    const loser = await this.records.find({ organizationId, object, id: loserId }, true);
    const actor = { userId: merge.createdBy };
    if (loser) await this.references.giveBack(actor, loser, { winnerId, mergeId });
  }

  /**
   * Deletes the data of a record that has been deleted for long enough, and that of the records that
   * were merged into it: it is theirs, too.
   */
  private async purge(key: RecordKey): Promise<void> {
    const record = await this.records.find(key, true);
    if (record?.state === 'deleted' && record.deletedAt) {
      if (record.deletedAt.getTime() + this.retentionMs > Date.now()) return;
      // Had it been restored since it was read, its losers must stay as well.
      if (!(await this.purger.purge(record))) return;
    } else if (record?.state !== 'purged') {
      return;
    }
    await this.purger.forgetHistory(key);
    for (const id of record.data.merged_ids ?? []) {
      const loserKey = { ...key, id };
      const loser = await this.records.find(loserKey, true);
      if (loser?.state === 'merged') await this.purger.purge(loser);
      await this.purger.forgetHistory(loserKey);
    }
  }
}
