import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import type { Logger } from 'pino';
import { ActivitiesModule } from './activities/activities.module';
import { ApiKeysModule } from './api-keys/api-keys.module';
import { AccessGuard } from './auth/access.guard';
import { AuditModule } from './audit/audit.module';
import { AuthModule } from './auth/auth.module';
import { CassandraModule } from './cassandra/cassandra.module';
import { ChangesModule } from './changes/changes.module';
import { CompaniesModule } from './companies/companies.module';
import { ContactsModule } from './contacts/contacts.module';
import { ErrorFilter } from './common/error.filter';
import { createValidationPipe } from './common/validation';
import type { AppConfig } from './config/app-config';
import { configModule } from './config/config.module';
import { DealsModule } from './deals/deals.module';
import { ExportsModule } from './exports/exports.module';
import { FieldsModule } from './fields/fields.module';
import { HealthModule } from './health/health.module';
import { IdempotencyModule } from './idempotency/idempotency.module';
import { ImportsModule } from './imports/imports.module';
import { JobsModule } from './jobs/jobs.module';
import { LimitsModule } from './limits/limits.module';
import { LoggingModule } from './logging/logging.module';
import { OrganizationsModule } from './organizations/organizations.module';
import { PipelinesModule } from './pipelines/pipelines.module';
import { SearchModule } from './search/search.module';
import { TelemetryModule } from './telemetry/telemetry.module';
import { UsersModule } from './users/users.module';
import { WebhooksModule } from './webhooks/webhooks.module';

@Module({
  imports: [
    CassandraModule,
    HealthModule,
    UsersModule,
    OrganizationsModule,
    JobsModule,
    FieldsModule,
    ChangesModule,
    // Before the kinds of records: its routes are more special than those of an id.
    ExportsModule,
    WebhooksModule,
    CompaniesModule,
    ContactsModule,
    PipelinesModule,
    DealsModule,
    ActivitiesModule,
    SearchModule,
    ImportsModule,
    ApiKeysModule,
    LimitsModule,
    AuditModule,
    IdempotencyModule,
    AuthModule,
    TelemetryModule,
  ],
  providers: [
    { provide: APP_GUARD, useClass: AccessGuard },
    { provide: APP_FILTER, useClass: ErrorFilter },
    { provide: APP_PIPE, useFactory: createValidationPipe },
  ],
})
export class AppModule {
  static register(config: AppConfig, logger: Logger): DynamicModule {
    return { module: AppModule, imports: [configModule(config), LoggingModule.register(logger)] };
  }
}
