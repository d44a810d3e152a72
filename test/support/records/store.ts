import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { ActivitiesService } from '../../../src/activities/activities.service';
import { AuditRepository } from '../../../src/audit/audit.repository';
import { AuditService } from '../../../src/audit/audit.service';
import type { CassandraService } from '../../../src/cassandra/cassandra.service';
import { CompaniesService } from '../../../src/companies/companies.service';
import type { AppConfig } from '../../../src/config/app-config';
import { ContactsService } from '../../../src/contacts/contacts.service';
import { DealsService } from '../../../src/deals/deals.service';
import { FieldsRepository } from '../../../src/fields/fields.repository';
import { FieldsService } from '../../../src/fields/fields.service';
import { ErasuresRepository } from '../../../src/organizations/erasures.repository';
import { OrganizationsRepository } from '../../../src/organizations/organizations.repository';
import { OrganizationsService } from '../../../src/organizations/organizations.service';
import { PipelineReports } from '../../../src/deals/pipeline-reports.service';
import { PipelinesService } from '../../../src/pipelines/pipelines.service';
import { ChangeOutbox } from '../../../src/records/writing/change-outbox.service';
import { ClaimsService } from '../../../src/records/writing/claims.service';
import { GrowthHint } from '../../../src/records/upkeep/growth-hint.service';
import { IntentFinisher } from '../../../src/records/writing/intent-finisher.service';
import { Maintenance } from '../../../src/records/upkeep/maintenance.service';
import { Rebucketing } from '../../../src/records/upkeep/rebucket.service';
import { RecordErasure } from '../../../src/records/erasing/record-erasure.service';
import { RecordHistory } from '../../../src/records/lists/record-history.service';
import { RecordInput } from '../../../src/records/record-input.service';
import { RecordKit } from '../../../src/records/record-kit';
import { RecordTotals } from '../../../src/records/lists/record-totals.service';
import { ListWalker } from '../../../src/records/lists/list-walker.service';
import { TermWalks } from '../../../src/records/lists/term-walks.service';
import { RecordLists } from '../../../src/records/lists/record-lists.service';
import { MergeReferences } from '../../../src/records/merging/merge-references.service';
import { MergeWinner } from '../../../src/records/merging/merge-winner.service';
import { RecordMerges } from '../../../src/records/merging/record-merges.service';
import { RecordPurger } from '../../../src/records/erasing/record-purger.service';
import { RecordTimeline } from '../../../src/records/lists/record-timeline.service';
import { RecordUpdater } from '../../../src/records/writing/record-updater.service';
import { RecordWriter } from '../../../src/records/writing/record-writer.service';
import { ChangeOutboxRepository } from '../../../src/records/store/change-outbox.repository';
import { DerivedRowsRepository } from '../../../src/records/store/derived-rows.repository';
import { LayoutsRepository } from '../../../src/records/store/layouts.repository';
import { MergeStepsRepository } from '../../../src/records/store/merge-steps.repository';
import { RecordIdsRepository } from '../../../src/records/store/record-ids.repository';
import { RecordsRepository } from '../../../src/records/store/records.repository';
import { TotalSumsRepository } from '../../../src/records/store/total-sums.repository';
import { UniqueValuesRepository } from '../../../src/records/store/unique-values.repository';
import { WriteIntentsRepository } from '../../../src/records/store/write-intents.repository';
import { EmailClaimsRepository } from '../../../src/users/email-claims.repository';
import { UserCreationService } from '../../../src/users/user-creation.service';
import { UsersRepository } from '../../../src/users/users.repository';
import { UsersService } from '../../../src/users/users.service';

type Repository<T> = new (cassandra: CassandraService) => T;

/** Repositories that a control puts in the place of ours. */
export interface Parts {
  records?: Repository<RecordsRepository>;
  values?: Repository<UniqueValuesRepository>;
  derived?: Repository<DerivedRowsRepository>;
  intents?: Repository<WriteIntentsRepository>;
}

/**
 * The record store of one process: its own services and caches, on the database that it is given.
 * As records.module.ts puts it together, without the rest of a server.
 */
export function buildStore(cassandra: CassandraService, config: AppConfig, parts: Parts = {}) {
  const settings = new ConfigService<AppConfig, true>(config);
  const logger = new PinoLogger({ pinoHttp: { level: 'silent' } });
  const records = new (parts.records ?? RecordsRepository)(cassandra);
  const values = new (parts.values ?? UniqueValuesRepository)(cassandra);
  const derived = new (parts.derived ?? DerivedRowsRepository)(cassandra);
  const intents = new (parts.intents ?? WriteIntentsRepository)(cassandra);
  const sums = new TotalSumsRepository(cassandra);
  const ids = new RecordIdsRepository(cassandra);
  const layouts = new LayoutsRepository(cassandra);
  const steps = new MergeStepsRepository(cassandra);
  const audit = new AuditService(new AuditRepository(cassandra), logger, settings);
  const fields = new FieldsService(new FieldsRepository(cassandra), audit);
  const userRows = new UsersRepository(cassandra);
  const emails = new EmailClaimsRepository(cassandra);
  const creation = new UserCreationService(userRows, emails, settings);
  const users = new UsersService(userRows, emails, creation, audit, settings);
  const organizations = new OrganizationsService(
    new OrganizationsRepository(cassandra),
    users,
    audit,
    new ErasuresRepository(cassandra),
    settings,
  );
  const claims = new ClaimsService(values, records, settings);
  const outbox = new ChangeOutbox(new ChangeOutboxRepository(cassandra), records);
  const writer = new RecordWriter(
    records,
    ids,
    derived,
    intents,
    sums,
    layouts,
    claims,
    outbox,
    fields,
    settings,
  );
  const walker = new ListWalker(records, derived, layouts);
  const lists = new RecordLists(walker, new TermWalks(walker), claims, fields, settings);
  const updater = new RecordUpdater(records, writer);
  const references = new MergeReferences(records, writer, updater, derived, layouts, steps, fields);
  const winner = new MergeWinner(writer, updater, claims);
  const merges = new RecordMerges(
    records,
    writer,
    updater,
    winner,
    references,
    intents,
    claims,
    fields,
  );
  const timeline = new RecordTimeline(records, lists, settings);
  const kit = new RecordKit(
    records,
    new RecordInput(records, fields, users),
    new RecordHistory(records, writer),
    writer,
    claims,
    lists,
    merges,
    references,
    timeline,
    fields,
    users,
    logger,
    new GrowthHint(ids, layouts, logger),
  );
  const pipelines = new PipelinesService(kit);
  const maintenance = new Maintenance(records, ids, derived, sums, layouts, fields, writer);
  const purger = new RecordPurger(records, writer);
  const erasure = new RecordErasure(
    records,
    intents,
    purger,
    updater,
    writer,
    derived,
    layouts,
    maintenance,
    fields,
  );
  const finisher = new IntentFinisher(
    intents,
    records,
    writer,
    claims,
    merges,
    references,
    purger,
    erasure,
    logger,
    settings,
  );
  return {
    records,
    fields,
    values,
    intents,
    layouts,
    writer,
    outbox,
    lists,
    finisher,
    maintenance,
    rebucketing: new Rebucketing(layouts, records, derived, ids, maintenance, writer, cassandra),
    erasure,
    activities: new ActivitiesService(kit),
    contacts: new ContactsService(kit),
    companies: new CompaniesService(kit),
    pipelines,
    sums,
    deals: new DealsService(kit, pipelines, organizations),
    reports: new PipelineReports(pipelines, new RecordTotals(sums, layouts, logger)),
  };
}

export type RecordStore = ReturnType<typeof buildStore>;
