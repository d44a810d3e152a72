import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../common/errors';
import { groupBy } from '../common/group-by';
import { inParallel } from '../common/in-parallel';
import { derivedId } from '../common/operation';
import { asRequest } from '../common/request-context';
import { type Job, jobFailed } from '../jobs/job';
import type { JobHandler, JobRun } from '../jobs/job-run';
import { JobWorker } from '../jobs/job-worker.service';
import { UsersService } from '../users/users.service';
import { type CsvRow, csvRows } from './csv-rows';
import {
  BLOCK,
  IMPORT_KIND,
  type ImportCheckpoint,
  type ImportInput,
  type RowResult,
  ROWS_MAX,
} from './import';
import { ImportChunksRepository } from './import-chunks.repository';
import { ImportObjects } from './import-objects.service';
import { ImportRowsRepository } from './import-rows.repository';
import { type ReadRow, RowImporter, type RowOutcome } from './row-importer';

/** Rows that are worked on at a time: an import must not be the stop of others. */
const AT_ONCE = 8;
const ROW_LIMIT_MS = 30_000;
const ATTEMPTS = 4;
const USERS_MAX = 10_000;

/** A row, and what it says or why it says nothing. */
interface Read extends CsvRow {
  said?: ReadRow;
  fault?: unknown;
}

/** Does imports, block by block. A block that was not noted as done is done again, without effect. */
@Injectable()
export class ImportRunner implements JobHandler, OnModuleInit {
  readonly kind = IMPORT_KIND;

  constructor(
    private readonly worker: JobWorker,
    private readonly chunks: ImportChunksRepository,
    private readonly rows: ImportRowsRepository,
    private readonly objects: ImportObjects,
    private readonly users: UsersService,
  ) {}

  onModuleInit(): void {
    this.worker.register(this);
  }

  async run(run: JobRun): Promise<unknown> {
    const { job } = run;
    const input = job.input as ImportInput;
    const importer = await this.importerFor(run, input);
    const from = (job.checkpoint as ImportCheckpoint | null)?.row ?? 0;
    const counts = { ...job.progress.counts };
    // Another worker may have begun the first block before us.
    let replay = true;
    let block: CsvRow[] = [];
    let last = from;
    const finishBlock = async () => {
      if (block.length === 0) return;
      const results = await this.doBlock(run, importer, block, replay);
      replay = false;
      await this.rows.put(job.organizationId, job.id, results);
      for (const { outcome } of results) counts[outcome] = (counts[outcome] ?? 0) + 1;
      last = block.at(-1)?.row ?? last;
      block = [];
      const checkpoint: ImportCheckpoint = { row: last };
      await run.save(checkpoint, { done: last, total: job.progress.total, counts });
    };
    try {
      for await (const row of csvRows(this.chunks.read(job.organizationId, input.upload), input)) {
        if (row.row <= from) continue;
        if (row.row > ROWS_MAX) {
          throw jobFailed(`There are more than ${String(ROWS_MAX)} rows.`, { limit: ROWS_MAX });
        }
        block.push(row);
        if (row.row % BLOCK === 0) await finishBlock();
      }
    } catch (error) {
      // What stands before a line that cannot be read counts.
      if (error instanceof AppError && error.code === 'UNPROCESSABLE') await finishBlock();
      throw error;
    }
    await finishBlock();
    await run.save({ row: last }, { done: last, total: last, counts });
    return null;
  }

  async tidy({ organizationId, input }: Job): Promise<void> {
    await this.chunks.remove(organizationId, (input as ImportInput).upload);
  }

  async erase(job: Job): Promise<void> {
    await this.tidy(job);
    // One more: what the last worker wrote may not be noted as done.
    const blocks = Math.ceil(job.progress.done / BLOCK) + 1;
    await this.rows.erase(job.organizationId, job.id, blocks);
  }

  private async importerFor(run: JobRun, input: ImportInput): Promise<RowImporter> {
    const service = this.objects.serviceOf(input.object);
    const users = new Map<string, string | undefined>();
    const idOf = async (address: string) => {
      if (users.has(address)) return users.get(address);
      if (users.size >= USERS_MAX) users.clear();
      const user = await this.users.findByEmail(run.caller.organizationId, address);
      users.set(address, user?.id);
      return user?.id;
    };
    return new RowImporter(service, input, await service.fields(run.caller), idOf);
  }

  private async doBlock(
    run: JobRun,
    importer: RowImporter,
    block: readonly CsvRow[],
    replay: boolean,
  ): Promise<RowResult[]> {
    const results: RowResult[] = [];
    const read: Read[] = [];
    for (const row of block) read.push(await this.read(importer, row));
    // Rows of the same record one after another, in their order.
    const groups = groupBy(
      read,
      ({ said, row }) => (said && importer.keyOf(said)) ?? `row ${String(row)}`,
    );
    let missing: Read[] = [];
    const note = ({ row, line, cells }: Read, outcome: RowOutcome) => {
      results.push({ row, line, ...outcome, cells: outcome.error === null ? null : cells });
    };
    await inParallel(groups.values(), AT_ONCE, async (group) => {
      for (const row of group) {
        const outcome = await this.doRow(run, importer, row, replay);
        if (missesRecord(outcome)) missing.push(row);
        else note(row, outcome);
      }
    });
    // What they refer to may be a row of the same block: again, as long as that helps.
    while (missing.length > 0) {
      const still: [Read, RowOutcome][] = [];
      for (const row of missing) {
        const outcome = await this.doRow(run, importer, row, true);
        if (missesRecord(outcome)) still.push([row, outcome]);
        else note(row, outcome);
      }
      if (still.length === missing.length) for (const one of still) note(...one);
      missing = still.length === missing.length ? [] : still.map(([row]) => row);
    }
    return results;
  }

  private async read(importer: RowImporter, row: CsvRow): Promise<Read> {
    try {
      return { ...row, said: await importer.read(row.cells) };
    } catch (fault) {
      if (!(fault instanceof AppError) || fault.status >= 500) throw fault;
      return { ...row, fault };
    }
  }

  private async doRow(
    run: JobRun,
    importer: RowImporter,
    { row, said, fault }: Read,
    replay: boolean,
  ): Promise<RowOutcome> {
    if (!said) return importer.failed(fault);
    const seed = derivedId(run.job.id, `row:${String(row)}`);
    for (let attempt = 1; ; attempt++) {
      const operation = { seed, replay: replay || attempt > 1 };
      try {
        const name = `${run.job.id}/${String(row)}`;
        return await asRequest(name, ROW_LIMIT_MS, operation, () =>
          importer.write(run.caller, said),
        );
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await sleep(200 * 2 ** attempt * (0.5 + Math.random()));
      }
    }
  }
}

/** Whether a row refers to a record that is not there. */
function missesRecord({ error }: RowOutcome): boolean {
  const details = Array.isArray(error?.details) ? (error.details as { rule?: unknown }[]) : [];
  return details.some(({ rule }) => rule === 'reference');
}
