import { Module } from '@nestjs/common';
import { LimitsModule } from '../limits/limits.module';
import { MailModule } from '../mail/mail.module';
import { UsersModule } from '../users/users.module';
import { Eraser } from './eraser.service';
import { ErasuresRepository } from './erasures.repository';
import { InvitationsController } from './invitations.controller';
import { InvitationsRepository } from './invitations.repository';
import { InvitationsService } from './invitations.service';
import { OrganizationDataRepository } from './organization-data.repository';
import { OrganizationsController } from './organizations.controller';
import { OrganizationsRepository } from './organizations.repository';
import { OrganizationsService } from './organizations.service';

@Module({
  imports: [UsersModule, MailModule, LimitsModule],
  controllers: [OrganizationsController, InvitationsController],
  providers: [
    OrganizationsService,
    OrganizationsRepository,
    InvitationsService,
    InvitationsRepository,
    ErasuresRepository,
    OrganizationDataRepository,
    Eraser,
  ],
  exports: [OrganizationsService, InvitationsService, Eraser],
})
export class OrganizationsModule {}
