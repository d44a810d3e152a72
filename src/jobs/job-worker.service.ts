import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { v4 as randomId } from 'uuid';
import { AppError, errorEnvelope } from '../common/errors';
import { timeOfId } from '../common/time-ordered-id';
import type { AppConfig } from '../config/app-config';
import { isFree, isOver, type Job, JobCancelledError, JobLostError, JobPausedError } from './job';
import { JobCallers } from './job-callers.service';
import { JobQueueRepository, QUEUE_SHARDS, type QueueEntry } from './job-queue.repository';
import { type JobHandler, JobRun, LEASE_MS } from './job-run';
import { JobsRepository } from './jobs.repository';

/** Jobs that one process works on: what it serves comes first. */
const AT_ONCE = 2;
const LOOK_EVERY_MS = 1000;
const RENEW_EVERY_MS = 5000;
/** After this long a job makes room, if one of another organization waits. */
const TURN_MS = 30_000;
const PAGE = 50;
/** Waiting jobs that are looked at in one look. */
const LOOKED_AT = 40;
/** Taken up so often without coming further, a job has failed. */
const FAILURES_MAX = 8;
const BACKOFF_MS = 1000;
/** An entry without a job after this is of a request that has failed. */
const ORPHAN_MS = 600_000;

interface Running {
  organizationId: string;
  run: JobRun;
  work: Promise<void>;
}

/** Does the jobs of all organizations, a few at a time, in every process that works. */
@Injectable()
export class JobWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly enabled: boolean;
  private readonly handlers = new Map<string, JobHandler>();
  private readonly running = new Map<string, Running>();
  /** Where the next look begins, by shard. */
  private readonly positions: string[] = Array.from({ length: QUEUE_SHARDS }, () => '');
  private stopping = false;
  private loop: Promise<void> = Promise.resolve();
  private wakeUp: () => void = () => undefined;

  constructor(
    private readonly jobs: JobsRepository,
    private readonly queue: JobQueueRepository,
    private readonly callers: JobCallers,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.enabled = config.get('workers', { infer: true });
  }

  handlerOf(kind: string): JobHandler | undefined {
    return this.handlers.get(kind);
  }

  /** Has jobs of its kind done by a handler. */
  register(handler: JobHandler): void {
    this.handlers.set(handler.kind, handler);
  }

  onApplicationBootstrap(): void {
    if (this.enabled) this.loop = this.lookForWork();
  }

  /** Jobs stop at their next checkpoint, and another process goes on with them. */
  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    for (const { run } of this.running.values()) run.pause();
    this.wakeUp();
    await this.loop;
    await Promise.all([...this.running.values()].map(({ work }) => work));
  }

  /** There is something to do: do not wait for the next look. */
  wake(): void {
    this.wakeUp();
  }

  private async lookForWork(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.look();
      } catch (error) {
        this.logger.debug({ err: error }, 'cannot look for jobs');
      }
      await this.pause();
    }
  }

  private async look(): Promise<void> {
    const late = [...this.running.values()].filter(({ run }) => run.age > TURN_MS);
    if (this.running.size >= AT_ONCE && late.length === 0) return;
    for (const entry of (await this.candidates()).slice(0, LOOKED_AT)) {
      if (this.stopping) return;
      try {
        if (!(await this.lookAt(entry, late))) return;
      } catch (error) {
        // One that cannot be dealt with must not keep all others from being looked at.
        const about = { organization_id: entry.organizationId, job_id: entry.id };
        this.logger.error({ err: error, ...about }, 'job cannot be taken up or tidied');
      }
    }
  }

  /** False when a job that runs was asked to make room: there is nothing more to take now. */
  private async lookAt(entry: QueueEntry, late: readonly Running[]): Promise<boolean> {
    const job = await this.jobs.find(entry.organizationId, entry.id);
    if (job === undefined) await this.removeOrphan(entry);
    // Of a version of this program that knows more.
    else if (!this.handlers.has(job.kind)) return true;
    else if (isOver(job)) await this.tidy(job);
    else if (!isFree(job, new Date())) return true;
    else if (this.running.size < AT_ONCE) await this.take(job);
    else if (!late.some(({ organizationId }) => organizationId === job.organizationId)) {
      late[0]?.run.pause();
      return false;
    }
    return true;
  }

  /** Entries of many organizations, each one's first before anybody's second. */
  private async candidates(): Promise<QueueEntry[]> {
    const pages = await Promise.all(
      this.positions.map(async (after, shard) => {
        const entries = await this.queue.list(shard, after, PAGE);
        this.positions[shard] = entries.length < PAGE ? '' : (entries.at(-1)?.organizationId ?? '');
        return entries;
      }),
    );
    const turns = new Map<string, number>();
    for (const { organizationId } of this.running.values()) {
      turns.set(organizationId, (turns.get(organizationId) ?? 0) + 1);
    }
    return pages
      .flat()
      .filter(({ id }) => !this.running.has(id))
      .sort((one, other) => (one.id < other.id ? -1 : 1))
      .map((entry) => {
        const turn = turns.get(entry.organizationId) ?? 0;
        turns.set(entry.organizationId, turn + 1);
        return { entry, turn };
      })
      .sort((one, other) => one.turn - other.turn)
      .map(({ entry }) => entry);
  }

  private async take(free: Job): Promise<void> {
    const now = new Date();
    const job = await this.jobs.replace(free, {
      status: 'running',
      leaseOwner: randomId(),
      leaseUntil: new Date(now.getTime() + LEASE_MS),
      startedAt: free.startedAt ?? now,
      failures: free.failures + 1,
    });
    // Another process was faster.
    if (!job) return;
    const { organizationId, id, createdBy: userId } = job;
    // Until it is looked up, he may do nothing.
    const nobody = { organizationId, userId, role: 'viewer' } as const;
    const run = new JobRun(job, nobody, this.jobs, this.callers);
    const running: Running = { organizationId, run, work: Promise.resolve() };
    this.running.set(id, running);
    running.work = this.work(run).finally(() => {
      this.running.delete(id);
      this.wakeUp();
    });
  }

  private async work(run: JobRun): Promise<void> {
    const renewal = setInterval(() => {
      // Whether it is lost shows at the next checkpoint.
      run.renew().catch(() => undefined);
    }, RENEW_EVERY_MS);
    try {
      await this.runToItsEnd(run, this.handlers.get(run.job.kind));
    } catch (error) {
      // Lost, or the database is away: the lease ends by itself.
      if (!(error instanceof JobLostError)) {
        this.logger.error({ err: error, job_id: run.job.id }, 'how a job ended is not stored');
      }
    } finally {
      clearInterval(renewal);
    }
  }

  private async runToItsEnd(run: JobRun, handler: JobHandler | undefined): Promise<void> {
    const { job } = run;
    try {
      if (!handler) throw new Error(`Nothing here does jobs of the kind ${job.kind}`);
      if (job.cancelRequested) throw new JobCancelledError();
      run.caller = await this.callers.callerOf(job);
      await run.end('succeeded', { result: await handler.run(run) });
    } catch (error) {
      if (error instanceof JobLostError) throw error;
      if (error instanceof JobPausedError) {
        await run.release(0);
        return;
      }
      if (error instanceof JobCancelledError) {
        await run.end('cancelled', {});
      } else if (error instanceof AppError && error.status < 500 && error.code !== 'CONFLICT') {
        await run.end('failed', { error: toJobError(error) });
      } else {
        const { failures } = run.job;
        this.logger.error({ err: error, job_id: job.id, failures }, 'job is interrupted');
        if (failures < FAILURES_MAX) {
          await run.release(BACKOFF_MS * 2 ** failures);
          return;
        }
        await run.end('failed', { error: toJobError(new AppError('INTERNAL_ERROR')) });
      }
    }
    await this.tidy(run.job);
  }

  /** A finished job leaves the queue last: whoever finds it there does the rest. */
  private async tidy(job: Job): Promise<void> {
    await this.handlers.get(job.kind)?.tidy?.(job);
    await this.queue.remove(job);
  }

  private async removeOrphan(entry: QueueEntry): Promise<void> {
    if (Date.now() - timeOfId(entry.id) > ORPHAN_MS) await this.queue.remove(entry);
  }

  private async pause(): Promise<void> {
    if (this.stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK_EVERY_MS);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function toJobError(error: AppError) {
  const { code, message, details } = errorEnvelope(error);
  return { code, message, details };
}
