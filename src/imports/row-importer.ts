import { AppError, errorEnvelope } from '../common/errors';
import { newId } from '../common/operation';
import type { Principal } from '../common/principal';
import { domain, email } from '../fields/kinds';
import type { Field } from '../fields/field';
import { type Columns, fromCells, patchFromCells } from '../records/columns';
import type { ObjectService } from '../records/object.service';
import type { StoredRecord, UniqueValue } from '../records/record';
import { customUnique } from '../records/record-definition';
import type { Body } from '../records/record-input.service';
import type { ImportInput, Outcome, RowError } from './import';
import { columnsIn } from './import-mapping';

/** What became of a row, beside where it stood. */
export interface RowOutcome {
  outcome: Outcome;
  recordId: string | null;
  version: number | null;
  error: RowError | null;
}

/** What a row says. */
export interface ReadRow {
  /** As the body of a request that makes a record. */
  body: Body;
  /** As a change of one that is there. */
  patch: Body;
}

/** Finds the user of an address in the organization. */
type UserIdOf = (address: string) => Promise<string | undefined>;

const done = (outcome: Outcome, record: Pick<StoredRecord, 'id' | 'version'>): RowOutcome => ({
  outcome,
  recordId: record.id,
  version: record.version,
  error: null,
});

function rowFault(field: string, rule: string, message: string): AppError {
  return new AppError('VALIDATION_FAILED', { details: [{ field, rule, message }] });
}

/** Does the rows of one import, by the service of its kind of record: all of its rules hold. */
export class RowImporter {
  private readonly columns: readonly Columns[];
  private readonly places: ReadonlyMap<string | null, number>;

  constructor(
    private readonly service: ObjectService,
    private readonly input: ImportInput,
    customFields: readonly Field[],
    private readonly userIdOf: UserIdOf,
  ) {
    this.columns = columnsIn(service.definition, customFields, input.fields);
    this.places = new Map(input.fields.map((name, index) => [name, index]));
  }

  /** @throws AppError VALIDATION_FAILED for a row that is too short or too long */
  async read(cells: readonly string[]): Promise<ReadRow> {
    const { header } = this.input;
    if (cells.length !== header.length) {
      const message = `The row has ${String(cells.length)} cells, the header ${String(header.length)}`;
      throw rowFault('', 'cells', message);
    }
    const cellAt = (name: string) => cells[this.places.get(name) ?? -1]?.trim();
    const ids = new Map<string, string | undefined>();
    for (const { isUser, names } of this.columns) {
      const address = isUser ? cellAt(names[0] ?? '') : undefined;
      if (address?.includes('@')) ids.set(address, await this.userIdOf(address.toLowerCase()));
    }
    const users = { idOf: (address: string) => ids.get(address) };
    return {
      body: { ...fromCells(this.columns, cellAt, users) },
      patch: { ...patchFromCells(this.columns, cellAt, users, this.input.clearEmpty) },
    };
  }

  /** Rows of one key are done in their order; other rows in any. */
  keyOf({ body }: ReadRow): string | undefined {
    const [first] = this.matchValues(body);
    return first ?? (typeof body.id === 'string' ? body.id : undefined);
  }

  /**
   * Writes a row. To be called as an operation of its own: done again it finds itself done.
   * @throws AppError above 500: the row is to be done again
   */
  async write(caller: Principal, row: ReadRow): Promise<RowOutcome> {
    try {
      return this.input.dryRun ? await this.rehearse(caller, row) : await this.act(caller, row);
    } catch (error) {
      return this.refused(error, caller, row);
    }
  }

  /** The answer to a row that cannot be done; `fault` may be ours. */
  failed(fault: unknown): RowOutcome {
    const error = fault instanceof AppError ? fault : new AppError('INTERNAL_ERROR');
    if (error.status >= 500) this.service.report(fault);
    const { code, message, details } = errorEnvelope(error);
    return {
      outcome: 'failed',
      recordId: null,
      version: null,
      error: { code, message, details },
    };
  }

  private async act(caller: Principal, row: ReadRow): Promise<RowOutcome> {
    const { mode } = this.input;
    const { body } = row;
    if (mode === 'create') return done('created', await this.service.create(caller, body));
    const found = await this.find(caller, body);
    // Made by this very row, in an attempt before this one.
    if (found?.id === newId('record')) {
      return done('created', await this.service.create(caller, body));
    }
    if (found) return this.update(caller, found, { ...row, patch: this.patchOf(row, found) });
    if (mode === 'update') throw new AppError('NOT_FOUND');
    return done('created', await this.service.create(caller, body));
  }

  private async rehearse(caller: Principal, row: ReadRow): Promise<RowOutcome> {
    const { body } = row;
    const found = this.input.mode === 'create' ? undefined : await this.find(caller, body);
    if (!found && this.input.mode === 'update') throw new AppError('NOT_FOUND');
    await this.service.rehearse(caller, found ? this.patchOf(row, found) : body, found);
    const outcome = found ? 'updated' : 'created';
    return { outcome, recordId: found?.id ?? null, version: null, error: null };
  }

  /**
   * Without the list that the record was found by, where the file has a value of it and no more:
   * that is to find the record, not to take its other addresses away.
   */
  private patchOf({ body, patch }: ReadRow, { data }: StoredRecord): Body {
    const list = this.keyList();
    if (list === undefined) return patch;
    const there = valuesIn(data[list]);
    if (!this.matchValues(body).every((value) => there.includes(value))) return patch;
    return Object.fromEntries(Object.entries(patch).filter(([key]) => key !== list));
  }

  private keyList(): 'emails' | 'domains' | undefined {
    const { matchBy, fields } = this.input;
    if (matchBy === 'domain') return 'domains';
    const hasMore = fields.some((name) => name !== 'email' && /^emails?_/.test(name ?? ''));
    return matchBy === 'email' && !hasMore ? 'emails' : undefined;
  }

  private async update(
    caller: Principal,
    { id, version }: Pick<StoredRecord, 'id' | 'version'>,
    row: ReadRow,
  ): Promise<RowOutcome> {
    const patch = { ...row.patch };
    Reflect.deleteProperty(patch, 'id');
    const record = await this.service.patch(caller, id, patch);
    const isOurs = record.operationId === newId('operation');
    return done(isOurs || record.version > version ? 'updated' : 'unchanged', record);
  }

  /** A row that meets a record in its way: what the import says of duplicates. */
  private async refused(fault: unknown, caller: Principal, row: ReadRow): Promise<RowOutcome> {
    const isKnown = fault instanceof AppError;
    if (isKnown && fault.status === 503) throw fault;
    const { mode, duplicates, dryRun } = this.input;
    const existing = isKnown && fault.code === 'DUPLICATE' ? existingOf(fault) : undefined;
    if (existing === undefined || duplicates === 'error') return this.failed(fault);
    if (duplicates === 'skip') return { ...this.failed(fault), outcome: 'skipped' };
    if (mode !== 'create') return this.failed(fault);
    try {
      const record = await this.service.get(caller, existing);
      if (!dryRun) return await this.update(caller, record, row);
      await this.service.rehearse(caller, row.patch, record);
      return { outcome: 'updated', recordId: record.id, version: null, error: null };
    } catch (error) {
      if (error instanceof AppError && error.status === 503) throw error;
      return this.failed(error);
    }
  }

  /** @throws AppError VALIDATION_FAILED where the row says nothing to find by, or finds several */
  private async find(caller: Principal, body: Body): Promise<StoredRecord | undefined> {
    const { matchBy } = this.input;
    const values = this.matchValues(body);
    if (matchBy === null || values.length === 0) {
      if (this.input.mode === 'upsert') return undefined;
      throw rowFault(matchBy ?? 'id', 'required', 'The row has no value to find its record by');
    }
    if (matchBy === 'id') return this.byId(caller, values[0] ?? '');
    const found = new Map<string, StoredRecord>();
    for (const value of values) {
      const unique: UniqueValue = { field: matchBy, value };
      const record = await this.service.ownerOf(caller, unique);
      if (record) found.set(record.id, record);
    }
    if (found.size > 1) throw rowFault(matchBy, 'ambiguous', 'The row finds several records');
    return [...found.values()][0];
  }

  private async byId(caller: Principal, id: string): Promise<StoredRecord | undefined> {
    try {
      return await this.service.get(caller, id);
    } catch (error) {
      if (error instanceof AppError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** In the spelling that unique values have. */
  private matchValues(body: Body): string[] {
    const { matchBy } = this.input;
    if (matchBy === null) return [];
    if (matchBy === 'id') return isUuid(body.id) ? [body.id.toLowerCase()] : [];
    const [kind, rest] = splitOnce(matchBy);
    if (kind === 'external') return textsOf((body.external_ids as Body | undefined)?.[rest]);
    if (kind === 'custom') {
      const value = (body.custom as Body | undefined)?.[rest];
      if (value === undefined || value === null) return [];
      return [customUnique(value as string | number)];
    }
    if (matchBy === 'email') {
      const given = (Array.isArray(body.emails) ? body.emails : []) as { value?: unknown }[];
      return spelled(
        email(),
        given.map(({ value }) => value),
      );
    }
    return spelled(domain(), Array.isArray(body.domains) ? body.domains : []);
  }
}

function spelled(
  schema: { safeParse(value: unknown): { success: boolean; data?: string | undefined } },
  values: readonly unknown[],
): string[] {
  return values.map((value) => schema.safeParse(value).data).filter((value) => value !== undefined);
}

function valuesIn(list: unknown): unknown[] {
  const entries = Array.isArray(list) ? (list as unknown[]) : [];
  return entries.map((one) => (typeof one === 'object' ? (one as Body | null)?.value : one));
}

const textsOf = (value: unknown) => (typeof value === 'string' ? [value] : []);

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}

/** `external:hubspot` and `custom.tier` in two. */
export function splitOnce(matchBy: string): [string, string] {
  const at = matchBy.search(/[:.]/);
  return at < 0 ? [matchBy, ''] : [matchBy.slice(0, at), matchBy.slice(at + 1)];
}

function existingOf({ details }: AppError): string | undefined {
  return (details as { existing_id?: string } | null)?.existing_id;
}
