import { Module } from '@nestjs/common';
import { ApiKeysModule } from '../api-keys/api-keys.module';
import { FieldsModule } from '../fields/fields.module';
import { JobsModule } from '../jobs/jobs.module';
import { OrganizationsModule } from '../organizations/organizations.module';
import { RecordsModule } from '../records/records.module';
import { UsersModule } from '../users/users.module';
import { WebhooksModule } from '../webhooks/webhooks.module';
import { ContactDataController } from './contact-data.controller';
import { ContactData } from './contact-data.service';
import { ExportSlots } from './export-slots.service';
import { OrganizationExportsController } from './organization-exports.controller';
import { OrganizationExports } from './organization-exports.service';
import { OrganizationFiles } from './organization-files.service';
import {
  ActivityExportController,
  CompanyExportController,
  ContactExportController,
  DealExportController,
} from './record-exports.controller';
import { RecordExports } from './record-exports.service';

/** Data on its way out. Its routes stand before those of records: `export` is no id. */
@Module({
  imports: [
    ApiKeysModule,
    FieldsModule,
    JobsModule,
    OrganizationsModule,
    RecordsModule,
    UsersModule,
    WebhooksModule,
  ],
  controllers: [
    CompanyExportController,
    ContactExportController,
    DealExportController,
    ActivityExportController,
    ContactDataController,
    OrganizationExportsController,
  ],
  providers: [RecordExports, ContactData, OrganizationExports, OrganizationFiles, ExportSlots],
})
export class ExportsModule {}
