import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Response } from 'express';
import { TokenBucket } from 'limiter';
import { LRUCache } from 'lru-cache';
import { AppError } from '../common/errors';
import type { RequestWithPrincipal } from '../common/principal';
import type { AppConfig, LimitWindow } from '../config/app-config';
import { addressGroup } from './address';
import { limitHeaders } from './limit';

/** The latest ones. Whoever is forgotten has a full bucket again. */
const REMEMBERED = 50_000;

/**
 * Keeps one party from taking all of a process: an organization, an API key, or an address that
 * has not signed in. Each has a bucket with as many requests as a window allows, and it fills again
 * evenly: who asks for more than that gets his next ones one by one, not all at once at the beginning
 * of a window, where they would be in everybody's way.
 *
 * Counted in the process, without any I/O; it is about load, not about guessing.
 */
@Injectable()
export class GeneralLimit {
  private readonly limits: AppConfig['limits'];
  private readonly buckets = new LRUCache<string, TokenBucket>({ max: REMEMBERED });
  /** By the seconds to wait. It is given often. */
  private readonly refusals = new Map<number, AppError>();

  constructor(config: ConfigService<AppConfig, true>) {
    this.limits = config.get('limits', { infer: true });
  }

  /** Counts a request for whoever sent it, as far as that is known by now. @throws RATE_LIMITED */
  count(request: RequestWithPrincipal, response: Response): void {
    if (!this.limits.enabled || request.path.startsWith('/health')) return;
    const caller = request.user;
    const { perKey, perOrganization } = this.limits;
    if (caller?.apiKeyId !== undefined) this.take(response, 'key', perKey, caller.apiKeyId);
    const party = partyOf(caller?.organizationId, request.ip);
    this.take(response, 'requests', perOrganization, party);
  }

  /** What an organization is to be answered that has nothing left. Does not count. */
  refusalOf(organizationId: string): AppError | undefined {
    const bucket = this.buckets.get(`requests ${partyOf(organizationId, undefined)}`);
    if (bucket === undefined || bucket.getWaitTime(1) === 0) return undefined;
    const seconds = secondsUntilOne(bucket);
    const known = this.refusals.get(seconds);
    if (known) return known;
    const refusal = overLimit('requests', this.limits.perOrganization, seconds);
    this.refusals.set(seconds, refusal);
    return refusal;
  }

  private take(response: Response, name: string, window: LimitWindow, who: string): void {
    const bucket = this.bucketOf(`${name} ${who}`, window);
    if (!bucket.tryRemoveTokens(1)) throw overLimit(name, window, secondsUntilOne(bucket));
    response.set(headersOf(name, window, Math.floor(bucket.content), secondsUntilOne(bucket)));
  }

  private bucketOf(key: string, { count, seconds }: LimitWindow): TokenBucket {
    const known = this.buckets.get(key);
    if (known) return known;
    const size = { bucketSize: count, tokensPerInterval: count, interval: seconds * 1000 };
    const bucket = new TokenBucket(size);
    bucket.content = count;
    this.buckets.set(key, bucket);
    return bucket;
  }
}

/** Who shares what a process can do: an organization, or an address as long as it is none. */
export function partyOf(organizationId: string | undefined, ip: string | undefined): string {
  return organizationId === undefined ? `ip ${addressGroup(ip ?? null)}` : `org ${organizationId}`;
}

/** Until there is room for one more; a whole second where there is some, as headers want it. */
function secondsUntilOne(bucket: TokenBucket): number {
  return Math.max(1, Math.ceil(bucket.getWaitTime(1) / 1000));
}

function overLimit(name: string, window: LimitWindow, seconds: number): AppError {
  return new AppError('RATE_LIMITED', {
    shedReason: 'load',
    details: { retry_after: seconds },
    headers: { 'Retry-After': String(seconds), ...headersOf(name, window, 0, seconds) },
  });
}

function headersOf(name: string, window: LimitWindow, remaining: number, resetSeconds: number) {
  return limitHeaders({ name, windows: [window] }, { window, remaining, resetSeconds });
}
