import { Injectable } from '@nestjs/common';
import { AppError, validationFailed } from '../common/errors';
import type { Principal } from '../common/principal';
import type { Field } from '../fields/field';
import { FieldsService } from '../fields/fields.service';
import { UsersService } from '../users/users.service';
import type { RecordData } from './record';
import { archivedValues, parseRecord } from './record-body';
import type { RecordDefinition } from './record-definition';
import { referenceFaults } from './references';
import { RecordsRepository } from './store/records.repository';

/** What a client sends; checked here. */
export type Body = Record<string, unknown>;

/** Turns what a client sends into the data of a record, or into the faults of it. */
@Injectable()
export class RecordInput {
  constructor(
    private readonly records: RecordsRepository,
    private readonly fields: FieldsService,
    private readonly users: UsersService,
  ) {}

  /**
   * Checks a whole record, and that what it newly refers to is there.
   * @param before the record as it was; its values of fields out of use are kept
   * @throws AppError VALIDATION_FAILED
   */
  async parse(
    caller: Principal,
    definition: RecordDefinition,
    body: Body,
    before?: RecordData,
  ): Promise<RecordData> {
    const { data, fields } = await this.parseFields(caller, definition, body, before);
    const stores = { records: this.records, users: this.users };
    const faults = await referenceFaults(caller, definition, fields, data, before, stores);
    if (faults.length > 0) throw validationFailed(faults);
    return data;
  }

  /** A custom field that is new, and that this process has not heard of, is not a mistake. */
  private async parseFields(
    { organizationId }: Principal,
    definition: RecordDefinition,
    body: Body,
    before: RecordData | undefined,
  ): Promise<{ data: RecordData; fields: Field[] }> {
    const parse = (fields: Field[]) => {
      const archived = before ? archivedValues(fields, before) : {};
      const custom = without(body.custom, Object.keys(archived));
      const whole = body.custom === undefined ? body : { ...body, custom };
      return { data: parseRecord(definition, fields, whole, archived), fields };
    };
    try {
      return parse(await this.fields.of(organizationId, definition.object));
    } catch (error) {
      if (body.custom === undefined || !(error instanceof AppError)) throw error;
      return parse(await this.fields.of(organizationId, definition.object, true));
    }
  }
}

/** The values of a client without those that are not his to write; anything else as it is. */
function without(custom: unknown, keys: readonly string[]): unknown {
  if (typeof custom !== 'object' || custom === null || Array.isArray(custom)) return custom;
  return Object.fromEntries(Object.entries(custom).filter(([key]) => !keys.includes(key)));
}
