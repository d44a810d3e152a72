import { Module } from '@nestjs/common';
import { FieldsModule } from '../fields/fields.module';
import { OrganizationsModule } from '../organizations/organizations.module';
import { UsersModule } from '../users/users.module';
import { ChangeOutbox } from './change-outbox.service';
import { ClaimsService } from './claims.service';
import { GrowthHint } from './growth-hint.service';
import { IntentFinisher } from './intent-finisher.service';
import { Maintenance } from './maintenance.service';
import { Rebucketing } from './rebucket.service';
import { RecordErasure } from './record-erasure.service';
import { RecordEraser } from './record-eraser.service';
import { RecordHistory } from './record-history.service';
import { RecordInput } from './record-input.service';
import { RecordKit } from './record-kit';
import { RecordLists } from './record-lists.service';
import { MergeReferences } from './merge-references.service';
import { MergeWinner } from './merge-winner.service';
import { RecordMerges } from './record-merges.service';
import { RecordPurger } from './record-purger.service';
import { RecordTimeline } from './record-timeline.service';
import { RecordTotals } from './record-totals.service';
import { RecordUpdater } from './record-updater.service';
import { RecordWriter } from './record-writer.service';
import { ChangeOutboxRepository } from './store/change-outbox.repository';
import { DerivedRowsRepository } from './store/derived-rows.repository';
import { LayoutsRepository } from './store/layouts.repository';
import { MergeStepsRepository } from './store/merge-steps.repository';
import { RecordDataRepository } from './store/record-data.repository';
import { RecordIdsRepository } from './store/record-ids.repository';
import { RecordsRepository } from './store/records.repository';
import { UniqueValuesRepository } from './store/unique-values.repository';
import { WriteIntentsRepository } from './store/write-intents.repository';
import { Sweeper } from './sweeper.service';

/** The record store: one for every kind of record. */
@Module({
  imports: [FieldsModule, OrganizationsModule, UsersModule],
  providers: [
    RecordsRepository,
    RecordIdsRepository,
    UniqueValuesRepository,
    DerivedRowsRepository,
    WriteIntentsRepository,
    LayoutsRepository,
    MergeStepsRepository,
    RecordDataRepository,
    ChangeOutboxRepository,
    ChangeOutbox,
    ClaimsService,
    RecordWriter,
    RecordLists,
    RecordTotals,
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
    RecordTotals,
    Maintenance,
    Rebucketing,
    IntentFinisher,
    ChangeOutbox,
  ],
})
export class RecordsModule {}
