import { Injectable } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { FieldsService } from '../fields/fields.service';
import { UsersService } from '../users/users.service';
import { ClaimsService } from './claims.service';
import { GrowthHint } from './growth-hint.service';
import { RecordHistory } from './record-history.service';
import { RecordInput } from './record-input.service';
import { RecordLists } from './record-lists.service';
import { MergeReferences } from './merge-references.service';
import { RecordMerges } from './record-merges.service';
import { RecordTimeline } from './record-timeline.service';
import { RecordWriter } from './record-writer.service';
import { RecordsRepository } from './store/records.repository';

/** What the service of an object works with. */
@Injectable()
export class RecordKit {
  constructor(
    readonly records: RecordsRepository,
    readonly input: RecordInput,
    readonly history: RecordHistory,
    readonly writer: RecordWriter,
    readonly claims: ClaimsService,
    readonly lists: RecordLists,
    readonly merges: RecordMerges,
    readonly mergeReferences: MergeReferences,
    readonly timeline: RecordTimeline,
    readonly fields: FieldsService,
    readonly users: UsersService,
    readonly logger: PinoLogger,
    readonly growth: GrowthHint,
  ) {}
}
