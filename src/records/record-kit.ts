import { Injectable } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { FieldsService } from '../fields/fields.service';
import { UsersService } from '../users/users.service';
import { ClaimsService } from './writing/claims.service';
import { GrowthHint } from './upkeep/growth-hint.service';
import { RecordHistory } from './lists/record-history.service';
import { RecordInput } from './record-input.service';
import { RecordLists } from './lists/record-lists.service';
import { MergeReferences } from './merging/merge-references.service';
import { RecordMerges } from './merging/record-merges.service';
import { RecordTimeline } from './lists/record-timeline.service';
import { RecordWriter } from './writing/record-writer.service';
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
