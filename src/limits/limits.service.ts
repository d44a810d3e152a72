import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AppError, type ErrorCode } from '../common/errors';
import type { AppConfig } from '../config/app-config';
import { AttemptsRepository } from './attempts.repository';
import { judge, type Limit, limitHeaders } from './limit';

/** Something that was counted, to take it back when it turns out to be harmless. */
export interface Attempt {
  subject: string;
  id: string;
}

type LimitName = keyof AppConfig['limits']['attempts'];

/** Limits that all processes share, for what an attacker would try often. */
@Injectable()
export class LimitsService {
  private readonly limits: AppConfig['limits'];

  constructor(
    private readonly attempts: AttemptsRepository,
    config: ConfigService<AppConfig, true>,
  ) {
    this.limits = config.get('limits', { infer: true });
  }

  /**
   * Counts an attempt and says no when it is one too many. Counting comes first: of a hundred at
   * once, the limit get through, not all of those who looked before anybody had counted.
   * @throws AppError `code`, with Retry-After; a refused attempt does not count
   */
  async attempt(
    name: LimitName,
    who: readonly string[],
    code: ErrorCode = 'RATE_LIMITED',
  ): Promise<Attempt | undefined> {
    if (!this.limits.enabled) return undefined;
    const limit: Limit = { name, windows: this.limits.attempts[name] };
    const subject = [name, ...who].join(' ');
    const longest = Math.max(...limit.windows.map(({ seconds }) => seconds));
    const most = Math.max(...limit.windows.map(({ count }) => count));
    const id = await this.attempts.add(subject, longest);
    const times = await this.attempts.times(subject, most + 1);
    const verdict = judge(limit, times, Date.now());
    if (verdict.remaining >= 0) return { subject, id };
    await this.attempts.remove(subject, id);
    throw new AppError(code, {
      shedReason: 'attempts',
      details: { retry_after: verdict.resetSeconds },
      headers: { 'Retry-After': String(verdict.resetSeconds), ...limitHeaders(limit, verdict) },
    });
  }

  /** Takes a single attempt back. */
  async forgive(attempt: Attempt | undefined): Promise<void> {
    if (attempt) await this.attempts.remove(attempt.subject, attempt.id);
  }

  /** Takes an attempt back and all that came before it. */
  async clear(attempt: Attempt | undefined): Promise<void> {
    if (attempt) await this.attempts.clear(attempt.subject, attempt.id);
  }
}
