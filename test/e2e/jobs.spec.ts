import { setTimeout as sleep } from 'node:timers/promises';
import { v4 as randomId, v7 as timeOrderedId } from 'uuid';
import type { Principal } from '../../src/common/principal';
import { JobLostError } from '../../src/jobs/job';
import { JobCallers } from '../../src/jobs/job-callers.service';
import { type JobHandler, JobRun } from '../../src/jobs/job-run';
import { JobWorker } from '../../src/jobs/job-worker.service';
import { JobsRepository } from '../../src/jobs/jobs.repository';
import { JobsService } from '../../src/jobs/jobs.service';
import type { Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm } from '../support/records';

const STEPS = 5;

interface JobBody {
  id: string;
  status: string;
  progress: { done: number; total: number; counts: object };
  error: { code: string; message: string } | null;
}

/** Counts to five, a step each time it is allowed to. */
class Counting implements JobHandler {
  readonly kind = `counting-${randomId()}`;
  readonly steps: number[] = [];
  tidied = 0;
  untidy = false;
  allowed = 0;
  failures = 0;

  async run(run: JobRun): Promise<unknown> {
    const from = (run.job.checkpoint as number | null) ?? 0;
    for (let step = from + 1; step <= STEPS; step++) {
      while (step > this.allowed) {
        await sleep(20);
        await this.save(run, step - 1);
      }
      if (this.failures > 0) {
        this.failures--;
        throw new Error('the work was interrupted');
      }
      this.steps.push(step);
      await this.save(run, step);
    }
    return { sum: this.steps.length };
  }

  private save(run: JobRun, done: number): Promise<void> {
    return run.save(done, { done, total: STEPS, counts: { counted: done } });
  }

  tidy(): Promise<void> {
    this.tidied++;
    return this.untidy ? Promise.reject(new Error('cannot be tidied')) : Promise.resolve();
  }
}

describe('Jobs', () => {
  let server: TestApp;
  let admin: Account;
  const as = (account: Account): Principal => ({
    organizationId: account.organizationId,
    userId: account.id,
    role: account === admin ? 'admin' : 'member',
  });
  const service = () => server.app.get(JobsService);

  beforeAll(async () => {
    server = await startApp({ WORKERS: 'on' });
    admin = await server.api.newAdmin();
  });
  afterAll(() => server.close());

  const begin = (account: Account, work: Counting) => {
    server.app.get(JobWorker).register(work);
    const job = { id: timeOrderedId(), kind: work.kind, input: null, total: STEPS };
    return service().create(as(account), job);
  };
  const read = async (account: Account, id: string) => {
    const response = await server.api.get(`/api/v1/jobs/${id}`, account.token);
    return (response.body as { data: JobBody }).data;
  };
  const until = async (account: Account, id: string, met: (job: JobBody) => boolean) => {
    for (let attempt = 1; attempt <= 300; attempt++) {
      const job = await read(account, id);
      if (met(job)) return job;
      await sleep(100);
    }
    throw new Error('it takes too long');
  };

  it('do each step once, tell how far they are, and tidy up', async () => {
    const work = new Counting();
    const { id } = await begin(admin, work);
    work.allowed = 2;
    expect(await until(admin, id, ({ progress }) => progress.done === 2)).toMatchObject({
      kind: work.kind,
      status: 'running',
      progress: { total: STEPS, counts: { counted: 2 } },
      finished_at: null,
    });
    work.allowed = STEPS;
    expect(await until(admin, id, ({ status }) => status === 'succeeded')).toMatchObject({
      progress: { done: STEPS, counts: { counted: STEPS }, seconds_left: null },
      error: null,
    });
    expect(work.steps).toEqual([1, 2, 3, 4, 5]);
    for (let waits = 0; work.tidied === 0 && waits < 50; waits++) await sleep(100);
    expect(work.tidied).toBe(1);
  });

  it('go on from the checkpoint after an interruption', async () => {
    const work = new Counting();
    work.allowed = 3;
    const { id } = await begin(admin, work);
    await until(admin, id, ({ progress }) => progress.done === 3);
    work.failures = 1;
    work.allowed = STEPS;
    await until(admin, id, ({ status }) => status === 'succeeded');
    expect(work.steps).toEqual([1, 2, 3, 4, 5]);
  });

  it('are done also behind one that cannot be dealt with', async () => {
    const broken = new Counting();
    [broken.allowed, broken.untidy] = [STEPS, true];
    await begin(admin, broken);
    while (broken.tidied < 2) await sleep(50);
    const work = new Counting();
    work.allowed = STEPS;
    const { id } = await begin(admin, work);
    await until(admin, id, ({ status }) => status === 'succeeded');
    const told = server.logs().filter(({ msg }) => msg === 'job cannot be taken up or tidied');
    expect(told[0]).toMatchObject({ level: 'error', organization_id: admin.organizationId });
    broken.untidy = false;
    const before = broken.tidied;
    while (broken.tidied === before) await sleep(50);
  });

  it('stop when they are cancelled', async () => {
    const work = new Counting();
    work.allowed = 1;
    const { id } = await begin(admin, work);
    await until(admin, id, ({ progress }) => progress.done === 1);
    await service().cancel(as(admin), id);
    await until(admin, id, ({ status }) => status === 'cancelled');
    work.allowed = STEPS;
    expect((await read(admin, id)).progress.done).toBe(1);
    expect(work.steps).toEqual([1]);
  });

  it('fail when the one who asked is not active any more', async () => {
    const work = new Counting();
    const user = await server.api.newUser(admin, 'member');
    const { id } = await begin(user, work);
    await until(admin, id, ({ status }) => status === 'running');
    await server.api.delete(`/api/v1/users/${user.id}`, admin.token);
    const { error } = await until(admin, id, ({ status }) => status === 'failed');
    expect(error).toMatchObject({
      code: 'UNPROCESSABLE',
      message: 'The user who asked for this job is not active any more.',
    });
    expect(work.steps).toEqual([]);
  });

  it('save nothing for a worker that has lost its lease', async () => {
    const jobs = server.app.get(JobsRepository);
    const input = { id: timeOrderedId(), kind: 'nobody-does-it', input: null, total: null };
    const job = await service().create(as(admin), input);
    const leaseUntil = new Date(Date.now() + 60_000);
    const first = await jobs.replace(job, { leaseOwner: randomId(), leaseUntil });
    if (!first) throw new Error('not taken');
    const run = new JobRun(first, as(admin), jobs, server.app.get(JobCallers));
    await run.save(1, { done: 1, total: null, counts: {} });
    // Another one takes it over.
    const second = await jobs.replace(run.job, { leaseOwner: randomId(), leaseUntil });
    expect(second).toBeDefined();
    await expect(run.save(2, { done: 2, total: null, counts: {} })).rejects.toThrow(JobLostError);
    await expect(run.end('succeeded', {})).rejects.toThrow(JobLostError);
    expect(await read(admin, job.id)).toMatchObject({ progress: { done: 1 } });
  });

  it('are seen by their owner and by admins, newest first', async () => {
    const [owner, other] = await Promise.all([
      server.api.newUser(admin, 'member'),
      server.api.newUser(admin, 'member'),
    ]);
    const made: string[] = [];
    for (let index = 0; index < 3; index++) {
      const job = { id: timeOrderedId(), kind: 'nobody-does-it', input: null, total: null };
      made.unshift((await service().create(as(owner), job)).id);
    }
    const [id = ''] = made;
    const crm = new Crm(server.url, owner);
    expect((await crm.walk('jobs', { limit: 2 })).map((job) => job.id)).toEqual(made);
    expect(await new Crm(server.url, other).walk('jobs')).toEqual([]);
    const all = await new Crm(server.url, admin).walk('jobs', { limit: 2 });
    expect(all.map((job) => job.id)).toEqual(expect.arrayContaining(made));
    expect((await server.api.get(`/api/v1/jobs/${id}`, admin.token)).status).toBe(200);
    for (const stranger of [other, await server.api.newAdmin()]) {
      const response = await server.api.get(`/api/v1/jobs/${id}`, stranger.token);
      expect(response.status).toBe(404);
      expectError(response.body, 'NOT_FOUND');
    }
  });
});
