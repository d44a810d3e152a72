import { AppError } from '../common/errors';
import { leaveQueue } from '../common/request-context';

const RETRY_AFTER_SECONDS = 10;

/** Keeps one organization from filling a process with work that lasts as long as its client likes. */
export class OrganizationSlots {
  private readonly running = new Map<string, number>();

  /**
   * @param limit how many of one organization run in this process at a time
   * @param busy what to say to one more
   */
  constructor(
    private readonly limit: number,
    private readonly busy: string,
  ) {}

  /** @throws AppError RATE_LIMITED while the organization has all it may have */
  async within<T>(organizationId: string, work: () => Promise<T>): Promise<T> {
    const count = this.running.get(organizationId) ?? 0;
    if (count >= this.limit) {
      throw new AppError('RATE_LIMITED', {
        message: this.busy,
        details: { retry_after: RETRY_AFTER_SECONDS },
        headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
        shedReason: 'load',
      });
    }
    this.running.set(organizationId, count + 1);
    leaveQueue();
    try {
      return await work();
    } finally {
      const left = (this.running.get(organizationId) ?? 1) - 1;
      if (left > 0) this.running.set(organizationId, left);
      else this.running.delete(organizationId);
    }
  }
}
