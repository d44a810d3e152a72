import { Module } from '@nestjs/common';
import { ActivitiesModule } from '../activities/activities.module';
import { CompaniesModule } from '../companies/companies.module';
import { ContactsModule } from '../contacts/contacts.module';
import { DealsModule } from '../deals/deals.module';
import { JobsModule } from '../jobs/jobs.module';
import { UsersModule } from '../users/users.module';
import { ImportChunksRepository } from './import-chunks.repository';
import { ImportObjects } from './import-objects.service';
import { ImportReverter } from './import-reverter.service';
import { ImportRowsRepository } from './import-rows.repository';
import { ImportRunner } from './import-runner.service';
import { ImportsController } from './imports.controller';
import { ImportsService } from './imports.service';
import { UploadService } from './upload.service';

@Module({
  imports: [
    JobsModule,
    UsersModule,
    CompaniesModule,
    ContactsModule,
    DealsModule,
    ActivitiesModule,
  ],
  controllers: [ImportsController],
  providers: [
    ImportsService,
    ImportObjects,
    UploadService,
    ImportChunksRepository,
    ImportRowsRepository,
    ImportRunner,
    ImportReverter,
  ],
})
export class ImportsModule {}
