import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { ThrottlerStorageService } from '@nestjs/throttler';
import type { Response } from 'express';
import { AppError } from '../common/errors';
import type { RequestWithPrincipal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { addressGroup } from './address';
import { limitHeaders, type Limit } from './limit';

/**
 * Keeps one party from taking all of a process: an organization, an API key, or an address that
 * has not signed in. Counted in the process, without any I/O; it is about load, not about guessing.
 */
@Injectable()
export class GeneralLimit {
  private readonly limits: AppConfig['limits'];

  constructor(
    private readonly storage: ThrottlerStorageService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.limits = config.get('limits', { infer: true });
  }

  /** Counts a request for whoever sent it, as far as that is known by now. @throws RATE_LIMITED */
  async count(request: RequestWithPrincipal, response: Response): Promise<void> {
    if (!this.limits.enabled || request.path.startsWith('/health')) return;
    const caller = request.user;
    if (caller?.apiKeyId !== undefined) {
      await this.hit(response, { name: 'key', windows: [this.limits.perKey] }, caller.apiKeyId);
    }
    const who = caller ? `org ${caller.organizationId}` : `ip ${addressGroup(request.ip ?? null)}`;
    await this.hit(response, { name: 'requests', windows: [this.limits.perOrganization] }, who);
  }

  private async hit(response: Response, limit: Limit, who: string): Promise<void> {
    const [window] = limit.windows;
    if (!window) return;
    const record = await this.storage.increment(
      `${limit.name} ${who}`,
      window.seconds * 1000,
      window.count,
      0,
      limit.name,
    );
    const remaining = window.count - record.totalHits;
    const resetSeconds = Math.max(1, record.timeToExpire);
    const headers = limitHeaders(limit, { window, remaining, resetSeconds });
    response.set(headers);
    if (remaining >= 0) return;
    throw new AppError('RATE_LIMITED', {
      shedReason: 'load',
      details: { retry_after: resetSeconds },
      headers: { 'Retry-After': String(resetSeconds), ...headers },
    });
  }
}
