import type { Principal } from '../common/principal';
import {
  type Job,
  JobCancelledError,
  type JobError,
  JobLostError,
  JobPausedError,
  type JobProgress,
} from './job';
import type { JobCallers } from './job-callers.service';
import type { JobsRepository } from './jobs.repository';

/** A job that is not renewed for this long can be taken over: the price of a crash. */
export const LEASE_MS = 20_000;
const CALLER_CHECKED_EVERY_MS = 3000;
const ATTEMPTS = 10;

/** What a job does. Each kind has one. */
export interface JobHandler {
  readonly kind: string;
  /**
   * Does the work from the last checkpoint on. What is done after it may be done again, also by
   * another process at the same time: it must have one effect.
   * @returns what there is to say at the end beside the counts
   * @throws AppError below 500 for what makes the job fail; all else is tried again
   */
  run(run: JobRun): Promise<unknown>;
  /** Removes what only the work needed; can be done again. */
  tidy?(job: Job): Promise<void>;
  /** Removes everything that belongs to a job, with its organization; can be done again. */
  erase?(job: Job): Promise<void>;
}

/** One taking up of a job: what its handler works with. */
export class JobRun {
  private readonly since = Date.now();
  private readonly doneBefore: number;
  private callerCheckedAt = Date.now();
  /** One write at a time: each names the one before it. */
  private tail: Promise<unknown> = Promise.resolve();
  private paused = false;

  constructor(
    private current: Job,
    /** He who asked for the job, with what he may do now. */
    public caller: Principal,
    private readonly jobs: JobsRepository,
    private readonly callers: JobCallers,
  ) {
    this.doneBefore = current.progress.done;
  }

  get job(): Job {
    return this.current;
  }

  get age(): number {
    return Date.now() - this.since;
  }

  /** Lets the work end at its next checkpoint, to be taken up later. */
  pause(): void {
    this.paused = true;
  }

  /**
   * Notes how far the work has come. The way out for a job that is cancelled, paused or lost: what
   * it throws is not to be caught.
   */
  async save(checkpoint: unknown, progress: Omit<JobProgress, 'perSecond'>): Promise<void> {
    const seconds = this.age / 1000;
    const perSecond = seconds > 1 ? (progress.done - this.doneBefore) / seconds : null;
    const whole = { ...progress, perSecond: perSecond ?? this.current.progress.perSecond };
    await this.write({ checkpoint, progress: whole, failures: 0 });
    if (this.current.cancelRequested) throw new JobCancelledError();
    if (this.paused) throw new JobPausedError();
    if (Date.now() - this.callerCheckedAt > CALLER_CHECKED_EVERY_MS) {
      this.caller = await this.callers.callerOf(this.current);
      this.callerCheckedAt = Date.now();
    }
  }

  /** Keeps the lease while a step takes long. */
  async renew(): Promise<void> {
    await this.write({});
  }

  async end(
    status: 'succeeded' | 'failed' | 'cancelled',
    outcome: { result?: unknown; error?: JobError },
  ): Promise<void> {
    const { result = null, error = null } = outcome;
    const finishedAt = new Date();
    await this.write({ status, result, error, finishedAt, leaseOwner: null, leaseUntil: null });
  }

  /** Gives the work back, to be taken up again after a while. */
  async release(afterMs: number): Promise<void> {
    const leaseUntil = afterMs > 0 ? new Date(Date.now() + afterMs) : null;
    const failures = afterMs > 0 ? this.current.failures : 0;
    await this.write({ status: 'queued', leaseOwner: null, leaseUntil, failures });
  }

  private write(change: Partial<Job>): Promise<void> {
    const result = this.tail.then(() => this.writeNow(change));
    this.tail = result.catch(() => undefined);
    return result;
  }

  private async writeNow(change: Partial<Job>): Promise<void> {
    const { leaseOwner, organizationId, id } = this.current;
    for (let attempt = 1; attempt <= ATTEMPTS && leaseOwner !== null; attempt++) {
      const leaseUntil = new Date(Date.now() + LEASE_MS);
      const written = await this.jobs.replace(this.current, { leaseUntil, ...change });
      if (written) {
        this.current = written;
        return;
      }
      const found = await this.jobs.find(organizationId, id, { serial: true });
      if (found?.leaseOwner !== leaseOwner) break;
      // Still ours: somebody has asked to cancel it.
      this.current = found;
    }
    throw new JobLostError();
  }
}
