import { Module } from '@nestjs/common';
import { OrganizationsModule } from '../organizations/organizations.module';
import { PipelinesModule } from '../pipelines/pipelines.module';
import { RecordsModule } from '../records/records.module';
import { DealsController } from './deals.controller';
import { DealsService } from './deals.service';
import { PipelineReportsController } from './pipeline-reports.controller';
import { PipelineReports } from './pipeline-reports.service';

@Module({
  imports: [RecordsModule, OrganizationsModule, PipelinesModule],
  controllers: [DealsController, PipelineReportsController],
  providers: [DealsService, PipelineReports],
  exports: [DealsService],
})
export class DealsModule {}
