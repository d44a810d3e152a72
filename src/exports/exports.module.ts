import { Module } from '@nestjs/common';
import { FieldsModule } from '../fields/fields.module';
import { RecordsModule } from '../records/records.module';
import { UsersModule } from '../users/users.module';
import { ContactDataController } from './contact-data.controller';
import { ContactData } from './contact-data.service';
import { ExportSlots } from './export-slots.service';
import {
  ActivityExportController,
  CompanyExportController,
  ContactExportController,
  DealExportController,
} from './record-exports.controller';
import { RecordExports } from './record-exports.service';

/** Data on its way out. Its routes stand before those of records: `export` is no id. */
@Module({
  imports: [FieldsModule, RecordsModule, UsersModule],
  controllers: [
    CompanyExportController,
    ContactExportController,
    DealExportController,
    ActivityExportController,
    ContactDataController,
  ],
  providers: [RecordExports, ContactData, ExportSlots],
})
export class ExportsModule {}
