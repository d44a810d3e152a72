import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../common/errors';
import { derivedId } from '../common/operation';
import { asRequest } from '../common/request-context';
import type { Job } from '../jobs/job';
import type { JobHandler, JobRun } from '../jobs/job-run';
import { JobWorker } from '../jobs/job-worker.service';
import type { ObjectService } from '../records/object.service';
import { undoChanges } from '../records/record';
import { writablePart } from '../records/record-body';
import { BLOCK, REVERT_KIND, type RowResult } from './import';
import { ImportObjects } from './import-objects.service';
import { ImportRowsRepository } from './import-rows.repository';
import { patchBetween } from './patch-between';

/** What a job of a revert is told. */
export interface RevertInput {
  importId: string;
  object: string;
  /** Rows of the import. */
  rows: number;
}

interface Checkpoint {
  /** The block that is next; they are taken from the last to the first. */
  block: number;
  /** Records that rows before (in the file) have written, too: the version they are put back to. */
  carried: Record<string, number>;
}

const ROW_LIMIT_MS = 30_000;
const CARRIED_MAX = 1000;

/** Takes an import back, from its last row to its first. */
@Injectable()
export class ImportReverter implements JobHandler, OnModuleInit {
  readonly kind = REVERT_KIND;

  constructor(
    private readonly worker: JobWorker,
    private readonly rows: ImportRowsRepository,
    private readonly objects: ImportObjects,
  ) {}

  onModuleInit(): void {
    this.worker.register(this);
  }

  async run(run: JobRun): Promise<unknown> {
    const { job } = run;
    const { importId, object, rows } = job.input as RevertInput;
    const service = this.objects.serviceOf(object);
    const total = rows;
    const start = job.checkpoint as Checkpoint | null;
    const counts = { ...job.progress.counts };
    let { done } = job.progress;
    const carried = new Map(Object.entries(start?.carried ?? {}));
    for (let block = start?.block ?? Math.ceil(rows / BLOCK) - 1; block >= 0; block--) {
      const results: RowResult[] = [];
      const found = await this.rows.block(job.organizationId, importId, block);
      for (const row of found.toReversed()) {
        done++;
        const isEffect = row.outcome === 'created' || row.outcome === 'updated';
        if (!isEffect || row.recordId === null) continue;
        const result = await this.takeBack(run, service, row, carried);
        counts[result.outcome] = (counts[result.outcome] ?? 0) + 1;
        results.push(result);
      }
      await this.rows.put(job.organizationId, job.id, results);
      const kept = Object.fromEntries([...carried].slice(-CARRIED_MAX));
      await run.save({ block: block - 1, carried: kept }, { done, total, counts });
    }
    return null;
  }

  async erase(job: Job): Promise<void> {
    const { rows } = job.input as RevertInput;
    await this.rows.erase(job.organizationId, job.id, Math.ceil(rows / BLOCK) + 1);
  }

  private async takeBack(
    run: JobRun,
    service: ObjectService,
    row: RowResult,
    carried: Map<string, number>,
  ): Promise<RowResult> {
    const seed = derivedId(run.job.id, `row:${String(row.row)}`);
    const operation = { seed, replay: true };
    try {
      return await asRequest(`${run.job.id}/${String(row.row)}`, ROW_LIMIT_MS, operation, () =>
        this.undo(run, service, row, carried),
      );
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      const { code, message, details } = error;
      return { ...row, outcome: 'kept', error: { code, message, details }, cells: null };
    }
  }

  /** @throws AppError PRECONDITION_FAILED where somebody else has changed the record since */
  private async undo(
    run: JobRun,
    service: ObjectService,
    row: RowResult,
    carried: Map<string, number>,
  ): Promise<RowResult> {
    const { recordId: id, version } = row;
    if (id === null || version === null) throw new AppError('NOT_FOUND');
    const expected = carried.get(id) ?? version;
    const ifMatch = `"${String(expected)}"`;
    if (row.outcome === 'created') {
      await service.remove(run.caller, id, ifMatch);
      carried.delete(id);
      return { ...row, outcome: 'deleted', error: null, cells: null };
    }
    const record = await service.get(run.caller, id);
    const event = (await service.eventsSince(run.caller, id, version)).find(
      (one) => one.version === version,
    );
    if (!event) throw new AppError('NOT_FOUND');
    const before = writablePart(service.definition, undoChanges(record.data, event.changes));
    const patch = patchBetween(writablePart(service.definition, record.data), before);
    const restored = await service.patch(run.caller, id, patch, ifMatch);
    carried.set(id, restored.version);
    return { ...row, outcome: 'restored', version: restored.version, error: null, cells: null };
  }
}
