import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v4 as randomId } from 'uuid';
import { decodeCursor, encodeCursor } from '../common/cursor';
import { AppError, contended } from '../common/errors';
import { Page, type PageQueryDto } from '../common/page';
import { scopeOf } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { isFree, isOver, type Job } from './job';
import { JobQueueRepository } from './job-queue.repository';
import { JobWorker } from './job-worker.service';
import { JobsRepository } from './jobs.repository';

const LARGEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Jobs that are looked at for one page of somebody who sees only his own. */
const SCAN_LIMIT = 1000;
const ATTEMPTS = 10;

export interface NewJob {
  /** A UUIDv7 that nothing else has, e.g. of `newId`. */
  id: string;
  kind: string;
  input: unknown;
  /** How much there is to do; null where it is not known. */
  total: number | null;
}

/** Long work that outlives its request, and the process that does it. */
@Injectable()
export class JobsService {
  private readonly cursorKey: KeyObject;

  constructor(
    private readonly jobs: JobsRepository,
    private readonly queue: JobQueueRepository,
    private readonly worker: JobWorker,
    config: ConfigService<AppConfig, true>,
  ) {
    this.cursorKey = config.get('cursorKey', { infer: true });
  }

  /** Enters a job; the one that has its id already stays as it is, and is returned. */
  async create(caller: Principal, { id, kind, input, total }: NewJob): Promise<Job> {
    const { organizationId, userId, apiKeyId = null } = caller;
    const job: Job = {
      organizationId,
      id,
      kind,
      status: 'queued',
      createdBy: userId,
      apiKeyId,
      createdAt: new Date(),
      startedAt: null,
      finishedAt: null,
      leaseOwner: null,
      leaseUntil: null,
      cancelRequested: false,
      failures: 0,
      input,
      checkpoint: null,
      progress: { done: 0, total, counts: {}, perSecond: null },
      result: null,
      error: null,
      mark: randomId(),
    };
    // First of all where it is found: a job that nobody finds would wait for ever.
    await this.queue.add(job);
    const isNew = await this.jobs.insert(job);
    this.worker.wake();
    return isNew ? job : this.get(caller, id);
  }

  /** @throws AppError NOT_FOUND, also for a job that the caller may not see */
  async get(caller: Principal, id: string): Promise<Job> {
    const job = await this.find(caller, id);
    if (!job) throw new AppError('NOT_FOUND');
    return job;
  }

  async find(caller: Principal, id: string): Promise<Job | undefined> {
    const job = await this.jobs.find(caller.organizationId, id);
    return job && maySee(caller, job) ? job : undefined;
  }

  /** The own jobs, an admin's: all of the organization; newest first. */
  async list(caller: Principal, { limit, cursor }: PageQueryDto): Promise<Page<Job>> {
    const { organizationId, userId } = caller;
    const scope = JSON.stringify(['jobs', organizationId, userId, scopeOf(caller, 'jobs:read')]);
    let before = LARGEST_ID;
    if (cursor !== undefined) [before = before] = decodeCursor(this.cursorKey, scope, cursor);
    const found: Job[] = [];
    let isMore = true;
    for (let scanned = 0; isMore && found.length <= limit && scanned < SCAN_LIMIT;) {
      const jobs = await this.jobs.list(organizationId, before, limit + 1);
      scanned += jobs.length;
      isMore = jobs.length > limit;
      before = jobs.at(-1)?.id ?? before;
      found.push(...jobs.filter((job) => maySee(caller, job)));
    }
    const items = found.slice(0, limit);
    if (found.length > limit) before = items.at(-1)?.id ?? before;
    const next = isMore || found.length > limit;
    return new Page(items, limit, next ? encodeCursor(this.cursorKey, scope, [before]) : null);
  }

  /**
   * Asks a job to stop: one that nobody works on does at once, another one at its next checkpoint.
   * One that is over stays as it is.
   * @throws AppError NOT_FOUND
   */
  async cancel(caller: Principal, id: string): Promise<Job> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const job = await this.get(caller, id);
      if (isOver(job) || job.cancelRequested) return job;
      const change: Partial<Job> = isFree(job, new Date())
        ? { status: 'cancelled', finishedAt: new Date(), leaseOwner: null, leaseUntil: null }
        : {};
      const written = await this.jobs.replace(job, { ...change, cancelRequested: true });
      if (written) return written;
    }
    throw contended();
  }
}

function maySee(caller: Principal, job: Job): boolean {
  return scopeOf(caller, 'jobs:read') === 'all' || job.createdBy === caller.userId;
}
