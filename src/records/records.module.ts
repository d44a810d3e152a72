import { Module } from '@nestjs/common';
import { FieldsModule } from '../fields/fields.module';
import { OrganizationsModule } from '../organizations/organizations.module';
import { UsersModule } from '../users/users.module';
import { ChangeOutbox } from './writing/change-outbox.service';
import { ClaimsService } from './writing/claims.service';
import { GrowthHint } from './upkeep/growth-hint.service';
import { IntentFinisher } from './writing/intent-finisher.service';
import { Maintenance } from './upkeep/maintenance.service';
import { Rebucketing } from './upkeep/rebucket.service';
import { RecordErasure } from './erasing/record-erasure.service';
import { RecordEraser } from './erasing/record-eraser.service';
import { RecordHistory } from './lists/record-history.service';
import { RecordInput } from './record-input.service';
import { RecordKit } from './record-kit';
import { ListWalker } from './lists/list-walker.service';
import { RecordSearch } from './lists/record-search.service';
import { TermWalks } from './lists/term-walks.service';
import { RecordLists } from './lists/record-lists.service';
import { MergeReferences } from './merging/merge-references.service';
import { MergeWinner } from './merging/merge-winner.service';
import { RecordMerges } from './merging/record-merges.service';
import { RecordPurger } from './erasing/record-purger.service';
import { RecordTimeline } from './lists/record-timeline.service';
import { RecordWalks } from './lists/record-walks.service';
import { RecordTotals } from './lists/record-totals.service';
import { RecordUpdater } from './writing/record-updater.service';
import { RecordWriter } from './writing/record-writer.service';
import { ChangeOutboxRepository } from './store/change-outbox.repository';
import { DerivedRowsRepository } from './store/derived-rows.repository';
import { LayoutsRepository } from './store/layouts.repository';
import { MergeStepsRepository } from './store/merge-steps.repository';
import { RecordDataRepository } from './store/record-data.repository';
import { RecordIdsRepository } from './store/record-ids.repository';
import { RecordsRepository } from './store/records.repository';
import { TotalSumsRepository } from './store/total-sums.repository';
import { UniqueValuesRepository } from './store/unique-values.repository';
import { WriteIntentsRepository } from './store/write-intents.repository';
import { Sweeper } from './writing/sweeper.service';

/** The record store: one for every kind of record. */
@Module({
  imports: [FieldsModule, OrganizationsModule, UsersModule],
  providers: [
    RecordsRepository,
    RecordIdsRepository,
    UniqueValuesRepository,
    DerivedRowsRepository,
    TotalSumsRepository,
    WriteIntentsRepository,
    LayoutsRepository,
    MergeStepsRepository,
    RecordDataRepository,
    ChangeOutboxRepository,
    ChangeOutbox,
    ClaimsService,
    RecordWriter,
    ListWalker,
    TermWalks,
    RecordLists,
    RecordSearch,
    RecordTotals,
    RecordWalks,
    RecordTimeline,
    RecordUpdater,
    MergeReferences,
    MergeWinner,
    RecordMerges,
    RecordPurger,
    RecordErasure,
    GrowthHint,
    RecordInput,
    RecordHistory,
    RecordKit,
    IntentFinisher,
    Sweeper,
    Maintenance,
    Rebucketing,
    RecordEraser,
  ],
  exports: [
    RecordKit,
    RecordErasure,
    RecordLists,
    RecordSearch,
    RecordTotals,
    RecordWalks,
    Maintenance,
    Rebucketing,
    IntentFinisher,
    ChangeOutbox,
  ],
})
export class RecordsModule {}
