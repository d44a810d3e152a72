import { Injectable } from '@nestjs/common';
import { AppError } from '../common/errors';

/** Exports of one organization that run in a process at a time. */
export const EXPORTS_AT_ONCE = 4;
const RETRY_AFTER_SECONDS = 10;

/** Keeps one organization from filling a process with exports: each lasts as long as its reader likes. */
@Injectable()
export class ExportSlots {
  private readonly running = new Map<string, number>();

  /** @throws AppError RATE_LIMITED while the organization has all it may have */
  async within<T>(organizationId: string, work: () => Promise<T>): Promise<T> {
    const count = this.running.get(organizationId) ?? 0;
    if (count >= EXPORTS_AT_ONCE) {
      throw new AppError('RATE_LIMITED', {
        message: 'Too many exports are running; come back when one has ended.',
        details: { retry_after: RETRY_AFTER_SECONDS },
        headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
      });
    }
    this.running.set(organizationId, count + 1);
    try {
      return await work();
    } finally {
      const left = (this.running.get(organizationId) ?? 1) - 1;
      if (left > 0) this.running.set(organizationId, left);
      else this.running.delete(organizationId);
    }
  }
}
