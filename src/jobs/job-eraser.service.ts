import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Eraser, type OwnedData } from '../organizations/eraser.service';
import { JobQueueRepository } from './job-queue.repository';
import { JobWorker } from './job-worker.service';
import { JobsRepository } from './jobs.repository';

const LARGEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const PAGE = 100;

/** Deletes the jobs of an erased organization, with all that is kept for them. */
@Injectable()
export class JobEraser implements OwnedData, OnModuleInit {
  constructor(
    private readonly eraser: Eraser,
    private readonly jobs: JobsRepository,
    private readonly queue: JobQueueRepository,
    private readonly worker: JobWorker,
  ) {}

  onModuleInit(): void {
    this.eraser.eraseFirst(this);
  }

  /** A job goes after what it leads to. */
  async erase(organizationId: string): Promise<void> {
    for (let before = LARGEST_ID; ;) {
      const jobs = await this.jobs.list(organizationId, before, PAGE);
      for (const job of jobs) {
        await this.worker.handlerOf(job.kind)?.erase?.(job);
        await this.queue.remove(job);
        before = job.id;
      }
      if (jobs.length < PAGE) break;
    }
    await this.jobs.erase(organizationId);
  }

  async whatIsLeft(organizationId: string): Promise<string[]> {
    return (await this.jobs.list(organizationId, LARGEST_ID, 1)).length > 0 ? ['jobs'] : [];
  }
}
