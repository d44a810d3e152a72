import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Request } from 'express';
import { parse } from 'csv-parse/sync';
import { AppError, validationFailed } from '../common/errors';
import { isReplay, newId } from '../common/operation';
import type { Principal } from '../common/principal';
import { withOwnDeadline } from '../common/request-context';
import type { AppConfig } from '../config/app-config';
import { OrganizationSlots } from '../limits/organization-slots';
import { isOver, type Job } from '../jobs/job';
import { JobsService } from '../jobs/jobs.service';
import { reachOf } from '../records/record-access';
import { permissionOn } from '../records/record-definition';
import { detectDelimiter, detectEncoding, detectQuote } from './csv-format';
import { readFault } from './csv-rows';
import {
  BLOCK,
  IMPORT_KIND,
  type ImportInput,
  REVERT_KIND,
  type RowResult,
  ROWS_MAX,
} from './import';
import { givenFields, guessFields, type ImportField, importFields } from './import-mapping';
import { ImportObjects } from './import-objects.service';
import type { RevertInput } from './import-reverter.service';
import { ImportRowsRepository } from './import-rows.repository';
import { checkMatchBy, type ImportSettings, readSettings } from './import-settings';
import { readForm } from './multipart';
import { RowImporter } from './row-importer';
import { type Received, UploadService } from './upload.service';

/** Rows that an answer shows as they would be read. */
const SAMPLE = 5;
const COLUMNS_MAX = 1000;
const END_LIMIT_MS = 15_000;
/** Files of one organization that a process takes at a time. */
const UPLOADS_AT_ONCE = 4;

/** The first rows, as they would be read, or why they would not. */
export type SampleRow = { line: number } & ({ data: object } | { error: object });

export interface Accepted {
  job: Job;
  sample: SampleRow[];
  /** Whether the import had been accepted before. */
  isRepeated: boolean;
}

interface Uploaded extends Received {
  settings: ImportSettings;
  fileName: string | null;
}

/** Records from a CSV file. */
@Injectable()
export class ImportsService {
  private readonly maxBytes: number;
  private readonly slots = new OrganizationSlots(
    UPLOADS_AT_ONCE,
    'Too many files are being sent; come back when one has arrived.',
  );

  constructor(
    private readonly jobs: JobsService,
    private readonly uploads: UploadService,
    private readonly rows: ImportRowsRepository,
    private readonly objects: ImportObjects,
    config: ConfigService<AppConfig, true>,
  ) {
    this.maxBytes = config.get('imports', { infer: true }).maxBytes;
  }

  /**
   * Takes a file and enters the job that imports it, or that looks what importing it would do.
   * @throws AppError VALIDATION_FAILED, FORBIDDEN, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE,
   * IDEMPOTENCY_KEY_REUSED
   */
  async begin(caller: Principal, request: Request): Promise<Accepted> {
    const { organizationId } = caller;
    const uploaded = await this.slots.within(organizationId, () =>
      readForm<Uploaded>(
        request,
        this.maxBytes,
        async (fields, file, fileName) => {
          const settings = readSettings(fields);
          this.checkPermission(caller, settings);
          const received = await this.uploads.receive(organizationId, file);
          return { ...received, settings, fileName };
        },
        ({ upload }) => this.uploads.discard(organizationId, upload),
      ),
    );
    return withOwnDeadline(END_LIMIT_MS, () => this.enter(caller, uploaded));
  }

  /** @throws AppError NOT_FOUND, also for a job that is no import */
  async get(caller: Principal, id: string): Promise<Job> {
    const job = await this.jobs.get(caller, id);
    if (job.kind !== IMPORT_KIND) throw new AppError('NOT_FOUND');
    return job;
  }

  /** An import, or the revert of one. @throws AppError NOT_FOUND */
  async getAny(caller: Principal, id: string): Promise<Job> {
    const job = await this.jobs.get(caller, id);
    if (job.kind !== IMPORT_KIND && job.kind !== REVERT_KIND) throw new AppError('NOT_FOUND');
    return job;
  }

  /** @throws AppError NOT_FOUND */
  async cancel(caller: Principal, id: string): Promise<Job> {
    await this.getAny(caller, id);
    return this.jobs.cancel(caller, id);
  }

  /**
   * Enters the job that takes an import back.
   * @throws AppError NOT_FOUND, CONFLICT while the import runs, UNPROCESSABLE where it wrote nothing
   */
  async revert(caller: Principal, id: string): Promise<Job> {
    const job = await this.get(caller, id);
    const { object, dryRun } = job.input as ImportInput;
    if (dryRun) throw new AppError('UNPROCESSABLE', { message: 'A dry run has written nothing.' });
    if (!isOver(job)) {
      throw new AppError('CONFLICT', { message: 'The import is not over: cancel it first.' });
    }
    const input: RevertInput = { importId: id, object, rows: job.progress.done };
    const total = job.progress.done;
    return this.jobs.create(caller, { id: newId('job'), kind: REVERT_KIND, input, total });
  }

  /** The rows that were not done, or of a revert: those that were kept; in their order. */
  async *failures(job: Job): AsyncGenerator<RowResult[]> {
    const rows = (job.input as Partial<RevertInput>).rows ?? job.progress.done;
    for (let block = 0; block * BLOCK < rows; block++) {
      const results = await withOwnDeadline(END_LIMIT_MS, () =>
        this.rows.block(job.organizationId, job.id, block),
      );
      yield results.filter(({ error }) => error !== null);
    }
  }

  private checkPermission(caller: Principal, { object, mode }: ImportSettings): void {
    const { definition } = this.objects.serviceOf(object);
    const actions = mode === 'upsert' ? (['create', 'update'] as const) : [mode];
    for (const action of actions) {
      if (reachOf(caller, definition, action) !== 'none') continue;
      throw new AppError('FORBIDDEN', {
        details: { permission: permissionOn(definition, action) },
      });
    }
  }

  private async enter(caller: Principal, uploaded: Uploaded): Promise<Accepted> {
    const { upload, settings } = uploaded;
    let isEntered = false;
    try {
      const service = this.objects.serviceOf(settings.object);
      const customFields = await service.fields(caller);
      const known = importFields(service.definition, customFields);
      const { input, first } = this.inputOf(uploaded, known);
      checkMatchBy(input, service.definition, customFields);
      const job = await this.enterJob(caller, input, uploaded.lines - 1);
      const stored = job.input as ImportInput;
      if (stored.digest !== input.digest) throw new AppError('IDEMPOTENCY_KEY_REUSED');
      isEntered = stored.upload.id === upload.id;
      // Users are looked up when the job runs: here they are shown as they are written.
      const idOf = () => Promise.resolve(undefined);
      const importer = new RowImporter(service, stored, customFields, idOf);
      const sample = await this.sampleOf(importer, stored, first);
      return { job, sample, isRepeated: !isEntered };
    } finally {
      if (!isEntered) await this.uploads.discard(caller.organizationId, upload);
    }
  }

  private async enterJob(caller: Principal, input: ImportInput, total: number): Promise<Job> {
    const id = newId('job');
    const found = isReplay() ? await this.jobs.find(caller, id) : undefined;
    return found ?? this.jobs.create(caller, { id, kind: IMPORT_KIND, input, total });
  }

  private inputOf(
    { settings, upload, bytes, sha256, head, isUtf8, lines, fileName }: Uploaded,
    known: readonly ImportField[],
  ) {
    if (bytes === 0) throw fileFault('notEmpty', 'The file is empty');
    if (lines - 1 > ROWS_MAX) {
      throw fileFault('maxRows', `The file has more than ${String(ROWS_MAX)} rows`);
    }
    const encoding = settings.encoding ?? detectEncoding(head, isUtf8);
    const text = new TextDecoder(encoding).decode(head, { stream: true });
    const quote = detectQuote(text);
    const delimiter = settings.delimiter ?? detectDelimiter(text, quote);
    const [header = [], ...first] = firstRecords(text, delimiter, quote);
    checkHeader(header);
    const guessed = guessFields(header, known);
    const found =
      settings.mapping === null ? guessed : givenFields(header, settings.mapping, known);
    const fields = found.map((field) => (field?.imported ? field.name : null));
    const readOnly = header.filter(
      (_, index) => fields[index] === null && guessed[index]?.imported === false,
    );
    if (fields.every((field) => field === null)) {
      throw fileFault('header', 'No column of the first line is one to import: is it a header?');
    }
    const { mapping, object, mode, matchBy, duplicates, dryRun, clearEmpty } = settings;
    const digest = createHash('sha256')
      .update(JSON.stringify([object, mode, matchBy, duplicates, dryRun, mapping, sha256]))
      .update(JSON.stringify([settings.encoding, settings.delimiter, clearEmpty]))
      .digest('hex');
    const input: ImportInput = {
      object,
      mode,
      matchBy: matchBy ?? (mode === 'create' ? null : 'id'),
      duplicates,
      dryRun,
      clearEmpty,
      fileName: fileName?.slice(0, 200) ?? null,
      bytes,
      encoding,
      delimiter,
      quote,
      header,
      fields,
      readOnly,
      upload,
      digest,
    };
    return { input, first };
  }

  private async sampleOf(
    importer: RowImporter,
    { mode }: ImportInput,
    records: readonly string[][],
  ): Promise<SampleRow[]> {
    const rows: SampleRow[] = [];
    for (const [index, cells] of records.slice(0, SAMPLE).entries()) {
      try {
        const { body, patch } = await importer.read(cells);
        rows.push({ line: index + 2, data: mode === 'update' ? patch : body });
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        rows.push({ line: index + 2, error: { code: error.code, details: error.details } });
      }
    }
    return rows;
  }
}

function fileFault(rule: string, message: string): AppError {
  return validationFailed([{ field: 'file', rule, message }]);
}

/** The header and the first rows; the last one may be cut off, so it is not looked at. */
function firstRecords(text: string, delimiter: string, quote: string): string[][] {
  try {
    return parse(text, {
      delimiter,
      quote,
      escape: quote,
      relax_column_count: true,
      skip_empty_lines: true,
      to: SAMPLE + 1,
    });
  } catch (error) {
    const fault = readFault(error);
    if (!fault) throw error;
    throw fileFault('isCsv', fault.message);
  }
}

function checkHeader(header: readonly string[]): void {
  const names = header.map((name) => name.trim()).filter((name) => name !== '');
  if (names.length === 0) throw fileFault('header', 'The first line must name the columns');
  if (header.length > COLUMNS_MAX) throw fileFault('maxColumns', 'There are too many columns');
  const twice = header.find((name, index) => name !== '' && header.indexOf(name) !== index);
  if (twice !== undefined) {
    throw fileFault('header', `Two columns are called ${twice.slice(0, 100)}`);
  }
}
