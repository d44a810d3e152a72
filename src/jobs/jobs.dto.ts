import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { ToLowerCase } from '../common/validation';
import { type Job, JOB_STATUSES, type JobStatus } from './job';

export class JobIdDto {
  /** UUID of a job of the own organization. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c14' })
  @ToLowerCase()
  @IsUUID()
  id!: string;
}

export class JobProgressDto {
  /** How many things are done. */
  @ApiProperty({ type: 'integer', example: 1200 })
  done!: number;

  /** How many there are; null where that is not known before the end. */
  @ApiProperty({ type: 'integer', nullable: true, example: 5000 })
  total!: number | null;

  /** What became of them, by outcome. */
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    example: { created: 1190, failed: 10 },
  })
  counts!: Record<string, number>;

  /** How many a second, since the work was last taken up; null while there is nothing to tell by. */
  @ApiProperty({ type: Number, nullable: true, example: 380.5 })
  per_second!: number | null;

  /** Seconds until it is done, if it goes on like this; null where that cannot be told. */
  @ApiProperty({ type: 'integer', nullable: true, example: 10 })
  seconds_left!: number | null;
}

export class JobErrorDto {
  @ApiProperty({ example: 'UNPROCESSABLE' })
  code!: string;

  @ApiProperty({ example: 'The user who asked for this job is not active any more.' })
  message!: string;

  /** What a program can use of it. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true, example: null })
  details!: unknown;
}

export class JobDto {
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c14' })
  id!: string;

  /** What it does, e.g. `import`. */
  @ApiProperty({ example: 'import' })
  kind!: string;

  @ApiProperty({ enum: JOB_STATUSES, example: 'running' })
  status!: JobStatus;

  /** True when it has been asked to stop: it does at its next checkpoint. */
  @ApiProperty({ example: false })
  cancel_requested!: boolean;

  /** Id of the user who asked for it, and in whose name it works. */
  @ApiProperty({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' })
  created_by!: string;

  @ApiProperty({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' })
  created_at!: Date;

  /** null while it waits. */
  @ApiProperty({ type: Date, nullable: true, example: '2026-01-31T09:30:01.000Z' })
  started_at!: Date | null;

  /** null until it is over; 30 days later it is forgotten. */
  @ApiProperty({ type: Date, nullable: true, example: null })
  finished_at!: Date | null;

  @ApiProperty({ type: JobProgressDto })
  progress!: JobProgressDto;

  /** Why it failed; null where it did not. */
  @ApiProperty({ type: JobErrorDto, nullable: true, example: null })
  error!: JobErrorDto | null;
}

export function toJobDto(job: Job): JobDto {
  const { done, total, counts, perSecond } = job.progress;
  const left = total === null || !perSecond ? null : Math.ceil((total - done) / perSecond);
  const isGoing = job.finishedAt === null;
  return {
    id: job.id,
    kind: job.kind,
    status: job.status,
    cancel_requested: job.cancelRequested,
    created_by: job.createdBy,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    progress: {
      done,
      total,
      counts,
      per_second: perSecond === null ? null : Math.round(perSecond * 10) / 10,
      seconds_left: isGoing ? left : null,
    },
    error: job.error,
  };
}
