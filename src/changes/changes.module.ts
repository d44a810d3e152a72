import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module';
import { RecordsModule } from '../records/records.module';
import { ChangeLog } from './change-log.service';
import { ChangeReader } from './change-reader.service';
import { ChangeSequencer } from './change-sequencer.service';
import { ChangeVersionsRepository } from './change-versions.repository';
import { ChangeWaiters } from './change-waiters.service';
import { ChangesController } from './changes.controller';
import { ChangesDataRepository } from './changes-data.repository';
import { ChangesEraser } from './changes-eraser.service';
import { ChangesRepository } from './changes.repository';
import { ChangesService } from './changes.service';
import { Sequencer } from './sequencer.service';

@Module({
  imports: [OrganizationsModule, RecordsModule],
  controllers: [ChangesController],
  providers: [
    ChangesRepository,
    ChangeVersionsRepository,
    ChangesDataRepository,
    ChangeLog,
    ChangeReader,
    ChangeWaiters,
    ChangeSequencer,
    Sequencer,
    ChangesService,
    ChangesEraser,
  ],
  exports: [ChangeReader, ChangeWaiters],
})
export class ChangesModule {}
