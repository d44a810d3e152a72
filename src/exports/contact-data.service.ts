import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { activities } from '../activities/activity';
import { AuditService } from '../audit/audit.service';
import { AppError, validationFailed } from '../common/errors';
import { PAGE_LIMIT_MAX } from '../common/page';
import type { Principal } from '../common/principal';
import { contacts } from '../contacts/contact';
import { deals } from '../deals/deal';
import type { StoredRecord } from '../records/record';
import { canRead, reachOf } from '../records/record-access';
import { toBody } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';
import { RecordErasure } from '../records/erasing/record-erasure.service';
import { RecordKit } from '../records/record-kit';
import { toEventBody } from '../records/record.dto';
import type { ContactDataDto, ErasureProofDto } from './contact-data.dto';

/** What a person may ask for: all that is known of him, and that it is forgotten. */
@Injectable()
export class ContactData {
  constructor(
    private readonly kit: RecordKit,
    private readonly erasure: RecordErasure,
    private readonly audit: AuditService,
  ) {}

  /**
   * Everything that the caller may see of a contact, also of one that is deleted.
   * @throws AppError NOT_FOUND
   */
  async export(caller: Principal, id: string): Promise<ContactDataDto> {
    const { organizationId } = caller;
    const contact = await this.find(caller, id);
    if (contact.state === 'purged') throw new AppError('NOT_FOUND');
    this.audit.note(
      { organizationId, action: 'contact.exported', actor: caller, targetId: id },
      'success',
    );
    const fields = await this.kit.fields.of(organizationId, contacts.object);
    const merged: object[] = [];
    for (const mergedId of contact.data.merged_ids ?? []) {
      const loser = await this.kit.records.find({ ...contact, id: mergedId });
      if (loser?.state !== 'merged') continue;
      merged.push({ contact: toBody(loser, fields), history: await this.history(loser) });
    }
    return {
      contact: toBody(contact, fields),
      history: await this.history(contact),
      merged,
      activities: await this.linked(caller, activities, id),
      deals: await this.linked(caller, deals, id),
    };
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

  private async history(record: StoredRecord): Promise<object[]> {
    return (await this.kit.writer.eventsSince(record, 0)).map(toEventBody);
  }

  private async linked(
    caller: Principal,
    definition: RecordDefinition,
    contactId: string,
  ): Promise<object[]> {
    const fields = await this.kit.fields.of(caller.organizationId, definition.object);
    const found: object[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const parameters: Record<string, string> = {
        contact_id: contactId,
        limit: String(PAGE_LIMIT_MAX),
        ...(cursor === '' ? {} : { cursor }),
      };
      const page = await this.kit.lists.list(caller, definition, parameters);
      found.push(...page.items.map((record) => toBody(record, fields)));
      cursor = page.nextCursor;
    }
    return found;
  }
}
