import { Injectable } from '@nestjs/common';
import { ApiKeysService } from '../api-keys/api-keys.service';
import { toApiKeyDto } from '../api-keys/api-keys.dto';
import { toAuditEntryDto } from '../audit/audit.dto';
import { AuditService } from '../audit/audit.service';
import { OBJECTS } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { Field } from '../fields/field';
import { toFieldDto } from '../fields/fields.dto';
import { FieldsService } from '../fields/fields.service';
import { toJobDto } from '../jobs/jobs.dto';
import { JobsService } from '../jobs/jobs.service';
import { toInvitationDto } from '../organizations/invitations.dto';
import { InvitationsService } from '../organizations/invitations.service';
import type { Organization } from '../organizations/organization';
import { toOrganizationDto } from '../organizations/organizations.dto';
import { OrganizationsService } from '../organizations/organizations.service';
import { RecordWalks } from '../records/lists/record-walks.service';
import type { MergedData } from '../records/merging/merge';
import type { StoredRecord } from '../records/record';
import { toBody } from '../records/record-body';
import { allDefinitions } from '../records/record-definition';
import { toEventBody } from '../records/record.dto';
import { toUserDto } from '../users/users.dto';
import { UsersService } from '../users/users.service';
import { toWebhookDto } from '../webhooks/webhooks.dto';
import { WebhooksService } from '../webhooks/webhooks.service';
import { pagesOf } from './paged';

/** A file of an organization's export: a line of JSON for each thing. */
export interface OrganizationFile {
  name: string;
  /** What is in it, some at a time. Read once. */
  rows: AsyncGenerator<object[]>;
}

/**
 * Everything that an organization has. What its people are answered elsewhere is in the same form
 * here, and nothing is here that nobody is answered: hashes and secrets.
 */
@Injectable()
export class OrganizationFiles {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly users: UsersService,
    private readonly invitations: InvitationsService,
    private readonly apiKeys: ApiKeysService,
    private readonly webhooks: WebhooksService,
    private readonly fields: FieldsService,
    private readonly walks: RecordWalks,
    private readonly jobs: JobsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * The files in their order. Records come before their histories: of a record that changes meanwhile
   * the history then has at least the version that the record is of.
   */
  of(caller: Principal): OrganizationFile[] {
    const { organizationId } = caller;
    const objects = allDefinitions().map(({ object }) => object);
    const file = <T>(name: string, pages: AsyncGenerator<T[]>, toRow: (one: T) => object) => ({
      name,
      rows: mapped(pages, toRow),
    });
    return [
      file('organization.json', this.organization(caller), toOrganizationDto),
      file(
        'users.ndjson',
        pagesOf((query) => this.users.list(caller, query)),
        toUserDto,
      ),
      file(
        'invitations.ndjson',
        once(() => this.invitations.list(caller)),
        toInvitationDto,
      ),
      file(
        'api_keys.ndjson',
        once(() => this.apiKeys.list(caller)),
        toApiKeyDto,
      ),
      file(
        'webhooks.ndjson',
        once(() => this.webhooks.list(caller)),
        toWebhookDto,
      ),
      file('fields.ndjson', this.everyField(organizationId), toFieldDto),
      ...objects.map((object) =>
        file(`records/${object}.ndjson`, this.walks.all(organizationId, object), toRow),
      ),
      ...objects.map((object) =>
        file(`history/${object}.ndjson`, this.walks.events(organizationId, object), (one) => ({
          record_id: one.recordId,
          ...toEventBody(one.event),
        })),
      ),
      file(
        'jobs.ndjson',
        pagesOf((query) => this.jobs.list(caller, query)),
        toJobDto,
      ),
      file(
        'audit.ndjson',
        pagesOf((query) => this.audit.list(caller, query)),
        toAuditEntryDto,
      ),
    ];
  }

  private async *organization(caller: Principal): AsyncGenerator<Organization[]> {
    yield [await this.organizations.get(caller)];
  }

  private async *everyField(organizationId: string): AsyncGenerator<Field[]> {
    for (const object of OBJECTS) yield await this.fields.of(organizationId, object, true);
  }
}

/** A record as it is answered, with the values of archived fields, and what has become of it. */
function toRow(record: StoredRecord): object {
  const { merged_into = null, merged_ids = [] } = record.data as Partial<MergedData>;
  return { ...toBody(record, []), state: record.state, merged_into, merged_ids };
}

async function* once<T>(read: () => Promise<T[]>): AsyncGenerator<T[]> {
  yield await read();
}

async function* mapped<T>(
  pages: AsyncGenerator<T[]>,
  toRow: (one: T) => object,
): AsyncGenerator<object[]> {
  for await (const page of pages) yield page.map(toRow);
}
