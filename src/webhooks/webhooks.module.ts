import { Module } from '@nestjs/common';
import { ChangesModule } from '../changes/changes.module';
import { OrganizationsModule } from '../organizations/organizations.module';
import { DeliveriesRepository } from './deliveries.repository';
import { Dispatcher } from './dispatcher.service';
import { PendingRepository } from './pending.repository';
import { WebhooksController } from './webhooks.controller';
import { WebhooksRepository } from './webhooks.repository';
import { WebhooksService } from './webhooks.service';

@Module({
  imports: [ChangesModule, OrganizationsModule],
  controllers: [WebhooksController],
  providers: [
    WebhooksRepository,
    PendingRepository,
    DeliveriesRepository,
    WebhooksService,
    Dispatcher,
  ],
  exports: [WebhooksService],
})
export class WebhooksModule {}
