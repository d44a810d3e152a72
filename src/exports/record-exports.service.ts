import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { stringify } from 'csv-stringify/sync';
import type { Response } from 'express';
import { PinoLogger } from 'nestjs-pino';
import { AuditService } from '../audit/audit.service';
import { validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';
import { withOwnDeadline } from '../common/request-context';
import type { AppConfig } from '../config/app-config';
import type { Field } from '../fields/field';
import { FieldsService } from '../fields/fields.service';
import { columnsOf, type Columns, headerOf, toCells, usersIn } from '../records/columns';
import type { StoredRecord } from '../records/record';
import { toBody } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';
import { RecordLists } from '../records/lists/record-lists.service';
import { UsersService } from '../users/users.service';
import { ExportSlots } from './export-slots.service';
import { pagesOf, timed } from './paged';
import { sendStreamed } from './streamed-answer';

const FORMATS = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson; charset=utf-8',
} as const;
type Format = keyof typeof FORMATS;

/** Sorts in which each record has one place for good: one that changes meanwhile comes once. */
const SORTS = ['created_at', '-created_at'];
/** By it Excel tells UTF-8. */
const BOM = '\uFEFF';

interface ExportQuery {
  format: Format;
  bom: boolean;
  /** Parameters of the list. */
  list: Record<string, unknown>;
}

/** Lists as files: all records of one kind that the caller may see and asks for. */
@Injectable()
export class RecordExports {
  private readonly pageTimeoutMs: number;

  constructor(
    private readonly lists: RecordLists,
    private readonly fields: FieldsService,
    private readonly users: UsersService,
    private readonly slots: ExportSlots,
    private readonly audit: AuditService,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.pageTimeoutMs = config.get('http', { infer: true }).requestTimeoutMs;
  }

  /** @throws AppError VALIDATION_FAILED, RATE_LIMITED */
  async send(
    caller: Principal,
    definition: RecordDefinition,
    parameters: Record<string, unknown>,
    response: Response,
  ): Promise<void> {
    const query = parseQuery(parameters);
    const { organizationId } = caller;
    const { object } = definition;
    await this.slots.within(organizationId, async () => {
      const fields = await this.fields.of(organizationId, object, true);
      const chunks =
        query.format === 'csv'
          ? this.csv(caller, definition, fields, query)
          : this.ndjson(caller, definition, fields, query);
      const details = { object, format: query.format };
      this.audit.note(
        { organizationId, action: 'records.exported', actor: caller, details },
        'success',
      );
      const name = `${object}-${new Date().toISOString().slice(0, 10)}.${query.format}`;
      const file = { contentType: FORMATS[query.format], name, chunks };
      if (await sendStreamed(response, file)) return;
      this.logger.info({ organization_id: organizationId, object }, 'the reader of an export left');
    });
  }

  private async *csv(
    caller: Principal,
    definition: RecordDefinition,
    fields: readonly Field[],
    { bom, list }: ExportQuery,
  ): AsyncGenerator<string> {
    const columns = columnsOf(definition, fields);
    const emails = new Map<string, string>();
    let lines = [headerOf(columns)];
    let start = bom ? BOM : '';
    for await (const records of this.pages(caller, definition, list)) {
      const bodies = records.map((record) => toBody(record, fields));
      await this.addEmails(caller, columns, bodies, emails);
      const users = { emailOf: (id: string) => emails.get(id), idOf: () => undefined };
      lines.push(...bodies.map((body) => toCells(columns, body, users)));
      yield start + stringify(lines, { record_delimiter: 'windows' });
      start = '';
      lines = [];
    }
  }

  private async *ndjson(
    caller: Principal,
    definition: RecordDefinition,
    fields: readonly Field[],
    { list }: ExportQuery,
  ): AsyncGenerator<string> {
    for await (const records of this.pages(caller, definition, list)) {
      yield records.map((record) => `${JSON.stringify(toBody(record, fields))}\n`).join('');
    }
  }

  private pages(
    caller: Principal,
    definition: RecordDefinition,
    list: Record<string, unknown>,
  ): AsyncGenerator<StoredRecord[]> {
    const pages = pagesOf(({ limit, cursor }) => {
      const parameters = { ...list, limit: String(limit) };
      return this.lists.list(
        caller,
        definition,
        cursor === undefined ? parameters : { ...parameters, cursor },
      );
    });
    return timed(this.pageTimeoutMs, pages);
  }

  private async addEmails(
    caller: Principal,
    columns: readonly Columns[],
    bodies: readonly Record<string, unknown>[],
    emails: Map<string, string>,
  ): Promise<void> {
    const ids = new Set(bodies.flatMap((body) => usersIn(columns, body)));
    const unknown = [...ids].filter((id) => !emails.has(id));
    await withOwnDeadline(this.pageTimeoutMs, () =>
      Promise.all(
        unknown.map(async (id) => {
          const user = await this.users.findById(caller.organizationId, id);
          emails.set(id, user?.email ?? id);
        }),
      ),
    );
  }
}

/** @throws AppError VALIDATION_FAILED for what an export has and a list has not, and the reverse */
function parseQuery({
  format = 'csv',
  bom = 'false',
  ...list
}: Record<string, unknown>): ExportQuery {
  const refused = (field: string, message: string) =>
    validationFailed([{ field, rule: 'parameter', message }]);
  if (format !== 'csv' && format !== 'ndjson') {
    throw refused('format', 'format must be csv or ndjson');
  }
  if (bom !== 'true' && bom !== 'false') throw refused('bom', 'bom must be true or false');
  for (const name of ['limit', 'cursor']) {
    if (name in list) throw refused(name, `${name} is not for an export, which has all records`);
  }
  if (list.sort !== undefined && !SORTS.includes(list.sort as string)) {
    throw refused('sort', 'sort of an export must be created_at or -created_at');
  }
  return { format, bom: bom === 'true', list };
}
