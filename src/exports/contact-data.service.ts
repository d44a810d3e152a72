import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Response } from 'express';
import { PinoLogger } from 'nestjs-pino';
import { activities } from '../activities/activity';
import { AuditService } from '../audit/audit.service';
import { AppError, validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { contacts } from '../contacts/contact';
import { deals } from '../deals/deal';
import type { StoredRecord } from '../records/record';
import { canRead, reachOf } from '../records/record-access';
import { toBody } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';
import { RecordErasure } from '../records/erasing/record-erasure.service';
import { RecordWalks } from '../records/lists/record-walks.service';
import { RecordKit } from '../records/record-kit';
import { toEventBody } from '../records/record.dto';
import type { ErasureProofDto } from './contact-data.dto';
import { ExportSlots } from './export-slots.service';
import { pagesOf, timed } from './paged';
import { sendStreamed } from './streamed-answer';

/** What a person may ask for: all that is known of him, and that it is forgotten. */
@Injectable()
export class ContactData {
  private readonly readTimeoutMs: number;

  constructor(
    private readonly kit: RecordKit,
    private readonly erasure: RecordErasure,
    private readonly walks: RecordWalks,
    private readonly slots: ExportSlots,
    private readonly audit: AuditService,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.readTimeoutMs = config.get('http', { infer: true }).requestTimeoutMs;
  }

  /**
   * Sends everything that the caller may see of a contact, also of one that is deleted.
   * @throws AppError NOT_FOUND, RATE_LIMITED while too many exports of the organization run
   */
  async send(caller: Principal, id: string, response: Response): Promise<void> {
    const { organizationId } = caller;
    const contact = await this.find(caller, id);
    if (contact.state === 'purged') throw new AppError('NOT_FOUND');
    await this.slots.within(organizationId, async () => {
      const event = { organizationId, action: 'contact.exported', actor: caller } as const;
      this.audit.note({ ...event, targetId: id }, 'success');
      const chunks = timed(this.readTimeoutMs, this.document(caller, contact));
      const name = `contact-${id}.json`;
      const contentType = 'application/json; charset=utf-8';
      if (await sendStreamed(response, { contentType, name, chunks })) return;
      this.logger.info({ organization_id: organizationId }, 'the reader of an export left');
    });
  }

  /**
   * Deletes a contact, and all that is about it alone, at once and for good.
   * @throws AppError NOT_FOUND, VALIDATION_FAILED, UNPROCESSABLE for one that was merged into another,
   *   FORBIDDEN for a caller who does not reach all contacts
   */
  async erase(caller: Principal, id: string, confirm: string): Promise<ErasureProofDto> {
    const contact = await this.find(caller, id);
    if (confirm.toLowerCase() !== id) {
      const message = 'confirm must be the id of the contact';
      throw validationFailed([{ field: 'confirm', rule: 'confirm', message }]);
    }
    if (reachOf(caller, contacts, 'delete') !== 'all') {
      throw new AppError('FORBIDDEN', { details: { permission: 'contacts:delete' } });
    }
    if (contact.state === 'merged') {
      throw new AppError('UNPROCESSABLE', {
        message: 'This contact was merged into another: erase that one.',
        details: { merged_into: contact.data.merged_into },
      });
    }
    const { organizationId, userId } = caller;
    const event = {
      organizationId,
      action: 'contact.erased',
      actor: caller,
      targetId: id,
    } as const;
    return this.audit.around(event, async (add) => {
      const removed = await this.erasure.begin(caller, contact);
      const proof = {
        contact_id: id,
        erased_at: new Date().toISOString(),
        erased_by: userId,
        removed,
      };
      const digest = createHash('sha256').update(JSON.stringify(proof)).digest('hex');
      const counts = Object.entries(removed).map(([name, count]) => [name, String(count)]);
      add({ ...(Object.fromEntries(counts) as Record<string, string>), digest });
      return { ...proof, digest };
    });
  }

  /** In any state: also what is deleted, or was erased half way, is somebody's. */
  private async find({ organizationId, ...caller }: Principal, id: string): Promise<StoredRecord> {
    const key = { organizationId, object: contacts.object, id };
    const record = await this.kit.records.find(key, true);
    const isThere = record && record.state !== 'fenced';
    if (!isThere || !canRead({ organizationId, ...caller }, contacts, record)) {
      throw new AppError('NOT_FOUND');
    }
    return record;
  }

  /** A ContactDataDto in its envelope, a page at a time. */
  private async *document(caller: Principal, contact: StoredRecord): AsyncGenerator<string> {
    const fields = await this.kit.fields.of(caller.organizationId, contacts.object);
    const known = (record: StoredRecord) =>
      `"contact":${JSON.stringify(toBody(record, fields))},"history":`;
    yield `{"success":true,"data":{${known(contact)}`;
    yield* jsonArray(this.history(contact));
    yield ',"merged":[';
    let separator = '';
    for (const mergedId of contact.data.merged_ids ?? []) {
      const loser = await this.kit.records.find({ ...contact, id: mergedId });
      if (loser?.state !== 'merged') continue;
      yield `${separator}{${known(loser)}`;
      yield* jsonArray(this.history(loser));
      yield '}';
      separator = ',';
    }
    yield '],"activities":';
    yield* jsonArray(this.linked(caller, activities, contact.id));
    yield ',"deals":';
    yield* jsonArray(this.linked(caller, deals, contact.id));
    yield '}}';
  }

  private async *history(record: StoredRecord): AsyncGenerator<object[]> {
    for await (const events of this.walks.history(record)) yield events.map(toEventBody);
  }

  private async *linked(
    caller: Principal,
    definition: RecordDefinition,
    contactId: string,
  ): AsyncGenerator<object[]> {
    const fields = await this.kit.fields.of(caller.organizationId, definition.object);
    const pages = pagesOf(({ limit, cursor }) => {
      const query = { contact_id: contactId, limit: String(limit) };
      const parameters = cursor === undefined ? query : { ...query, cursor };
      return this.kit.lists.list(caller, definition, parameters);
    });
    for await (const records of pages) yield records.map((record) => toBody(record, fields));
  }
}

async function* jsonArray(pages: AsyncIterable<object[]>): AsyncGenerator<string> {
  yield '[';
  let separator = '';
  for await (const page of pages) {
    if (page.length === 0) continue;
    yield separator + page.map((one) => JSON.stringify(one)).join(',');
    separator = ',';
  }
  yield ']';
}
