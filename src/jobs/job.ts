import { AppError, type ErrorEnvelope } from '../common/errors';

export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export interface JobProgress {
  done: number;
  /** null where it is not known before the end. */
  total: number | null;
  /** What became of the things that are done, by outcome. */
  counts: Record<string, number>;
  /** Things a second since the work was last taken up; null while there is nothing to tell by. */
  perSecond: number | null;
}

export type JobError = Pick<ErrorEnvelope, 'code' | 'message' | 'details'>;

/** A piece of long work. */
export interface Job {
  organizationId: string;
  /** A UUIDv7. */
  id: string;
  kind: string;
  status: JobStatus;
  createdBy: string;
  /** The API key it was asked for by, if any: it works no further than that key reaches. */
  apiKeyId: string | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** Of one taking up of the work, not of a process: it is never used again. */
  leaseOwner: string | null;
  leaseUntil: Date | null;
  cancelRequested: boolean;
  /** How often it was taken up since it last came further. */
  failures: number;
  /** What is to be done; JSON that its kind understands. */
  input: unknown;
  /** How far it has come; null before the first one. */
  checkpoint: unknown;
  progress: JobProgress;
  /** What a finished job has to say beside its counts. */
  result: unknown;
  error: JobError | null;
  mark: string;
}

export function isOver({ status }: Pick<Job, 'status'>): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/** Whether nobody works on a job, and somebody may. */
export function isFree(job: Job, now: Date): boolean {
  return !isOver(job) && (job.leaseUntil === null || job.leaseUntil <= now);
}

/** Somebody else works on the job now, or it is over: nothing more may be done. */
export class JobLostError extends Error {}

/** The job waits for its next turn. */
export class JobPausedError extends Error {}

export class JobCancelledError extends Error {}

/** Ends a job for a reason that doing it again would not change. */
export function jobFailed(message: string, details: unknown = null): AppError {
  return new AppError('UNPROCESSABLE', { message, details });
}
