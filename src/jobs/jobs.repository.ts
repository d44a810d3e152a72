import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService, type Params } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { Job, JobError, JobProgress, JobStatus } from './job';

type Uuid = { toString(): string } | null;

interface JobRow {
  organization_id: string;
  id: { toString(): string };
  kind: string;
  status: JobStatus;
  created_by: { toString(): string };
  api_key_id: Uuid;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  lease_owner: Uuid;
  lease_until: Date | null;
  cancel_requested: boolean;
  failures: number;
  input: string;
  checkpoint: string;
  progress: string;
  result: string;
  error: string;
  mark: { toString(): string };
}

const VALUES = [
  'kind',
  'status',
  'created_by',
  'api_key_id',
  'created_at',
  'started_at',
  'finished_at',
  'lease_owner',
  'lease_until',
  'cancel_requested',
  'failures',
  'input',
  'checkpoint',
  'progress',
  'result',
  'error',
  'mark',
];
const COLUMNS = ['organization_id', 'id', ...VALUES].join(', ');
const KEY = 'organization_id = :organization_id AND id = :id';
const CLOCK_MARGIN_MS = 3_600_000;

const find = defineQuery<JobRow>('jobs.find', `SELECT ${COLUMNS} FROM jobs WHERE ${KEY}`);
const list = defineQuery<JobRow>(
  'jobs.list',
  `SELECT ${COLUMNS} FROM jobs
   WHERE organization_id = :organization_id AND id < :before LIMIT :size`,
);
const insert = defineQuery(
  'jobs.insert',
  `INSERT INTO jobs (${COLUMNS})
   VALUES (:organization_id, :id, ${VALUES.map((name) => `:${name}`).join(', ')}) IF NOT EXISTS`,
);
const replace = defineQuery(
  'jobs.replace',
  `UPDATE jobs SET ${VALUES.map((name) => `${name} = :${name}`).join(', ')}
   WHERE ${KEY} IF mark = :former`,
);
const erase = defineQuery(
  'jobs.erase',
  'DELETE FROM jobs USING TIMESTAMP :microseconds WHERE organization_id = :organization_id',
);

@Injectable()
export class JobsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(
    organizationId: string,
    id: string,
    options: { serial?: boolean } = {},
  ): Promise<Job | undefined> {
    const row = await this.cassandra.first(find, { organization_id: organizationId, id }, options);
    return row && toJob(row);
  }

  /** Jobs, newest first, from behind the one named. */
  async list(organizationId: string, before: string, size: number): Promise<Job[]> {
    const params = { organization_id: organizationId, before };
    return (await this.cassandra.page(list, params, size)).map(toJob);
  }

  /** False where there is a job of this id already. */
  async insert(job: Job): Promise<boolean> {
    const statement = { query: insert, params: toParams(job) };
    return (await this.cassandra.lwt([statement], () => this.isMarked(job))).applied;
  }

  /**
   * Writes a job in the place of what was read before.
   * @returns what stands there now; undefined where somebody else has written in between
   */
  async replace(before: Job, change: Partial<Job>): Promise<Job | undefined> {
    const job = { ...before, ...change, mark: randomId() };
    const statement = { query: replace, params: { ...toParams(job), former: before.mark } };
    const { applied } = await this.cassandra.lwt([statement], () => this.isMarked(job));
    return applied ? job : undefined;
  }

  /** All jobs of an organization that is erased. */
  async erase(organizationId: string): Promise<void> {
    const microseconds = (Date.now() + CLOCK_MARGIN_MS) * 1000;
    await this.cassandra.run(erase, { organization_id: organizationId, microseconds });
  }

  private async isMarked({ organizationId, id, mark }: Job): Promise<boolean> {
    return (await this.find(organizationId, id, { serial: true }))?.mark === mark;
  }
}

function toParams(job: Job): Params {
  return {
    organization_id: job.organizationId,
    id: job.id,
    kind: job.kind,
    status: job.status,
    created_by: job.createdBy,
    api_key_id: job.apiKeyId,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    lease_owner: job.leaseOwner,
    lease_until: job.leaseUntil,
    cancel_requested: job.cancelRequested,
    failures: job.failures,
    input: JSON.stringify(job.input),
    checkpoint: JSON.stringify(job.checkpoint),
    progress: JSON.stringify(job.progress),
    result: JSON.stringify(job.result),
    error: JSON.stringify(job.error),
    mark: job.mark,
  };
}

function toJob(row: JobRow): Job {
  return {
    organizationId: row.organization_id,
    id: row.id.toString(),
    kind: row.kind,
    status: row.status,
    createdBy: row.created_by.toString(),
    apiKeyId: row.api_key_id?.toString() ?? null,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    leaseOwner: row.lease_owner?.toString() ?? null,
    leaseUntil: row.lease_until,
    cancelRequested: row.cancel_requested,
    failures: row.failures,
    input: JSON.parse(row.input),
    checkpoint: JSON.parse(row.checkpoint),
    progress: JSON.parse(row.progress) as JobProgress,
    result: JSON.parse(row.result),
    error: JSON.parse(row.error) as JobError | null,
    mark: row.mark.toString(),
  };
}
