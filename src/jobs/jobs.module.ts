import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module';
import { UsersModule } from '../users/users.module';
import { JobCallers } from './job-callers.service';
import { JobEraser } from './job-eraser.service';
import { JobQueueRepository } from './job-queue.repository';
import { JobWorker } from './job-worker.service';
import { JobsController } from './jobs.controller';
import { JobsRepository } from './jobs.repository';
import { JobsService } from './jobs.service';

@Module({
  imports: [UsersModule, OrganizationsModule],
  controllers: [JobsController],
  providers: [JobsService, JobsRepository, JobQueueRepository, JobCallers, JobWorker, JobEraser],
  exports: [JobsService, JobWorker, JobCallers],
})
export class JobsModule {}
