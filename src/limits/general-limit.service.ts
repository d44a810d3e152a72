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
  /** Organizations that were told to come back later. One answer a second: it is given often. */
  private readonly refused = new Map<string, OverLimitError>();

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
    const party = partyOf(caller?.organizationId, request.ip);
    try {
      await this.hit(response, this.requests(), party);
    } catch (error) {
      if (error instanceof OverLimitError && caller) this.refused.set(party, error);
      throw error;
    }
  }

  /** What an organization is answered until the time it was told to come back after. */
  refusalOf(party: string): AppError | undefined {
    const refusal = this.refused.get(party);
    if (refusal === undefined) return undefined;
    const resetSeconds = Math.ceil((refusal.until - Date.now()) / 1000);
    if (resetSeconds === refusal.resetSeconds) return refusal;
    this.refused.delete(party);
    if (resetSeconds <= 0) return undefined;
    const next = new OverLimitError(this.requests(), resetSeconds, refusal.until);
    this.refused.set(party, next);
    return next;
  }

  private requests(): Limit {
    return { name: 'requests', windows: [this.limits.perOrganization] };
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
    response.set(limitHeaders(limit, { window, remaining, resetSeconds }));
    if (remaining < 0) throw new OverLimitError(limit, resetSeconds);
  }
}

/** Who shares what a process can do: an organization, or an address as long as it is none. */
export function partyOf(organizationId: string | undefined, ip: string | undefined): string {
  return organizationId === undefined ? `ip ${addressGroup(ip ?? null)}` : `org ${organizationId}`;
}

class OverLimitError extends AppError {
  constructor(
    limit: Limit,
    readonly resetSeconds: number,
    /** In epoch ms. */
    readonly until = Date.now() + resetSeconds * 1000,
  ) {
    const [window = { count: 0, seconds: 0 }] = limit.windows;
    super('RATE_LIMITED', {
      shedReason: 'load',
      details: { retry_after: resetSeconds },
      headers: {
        'Retry-After': String(resetSeconds),
        ...limitHeaders(limit, { window, remaining: -1, resetSeconds }),
      },
    });
  }
}
