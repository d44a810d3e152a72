import { AsyncResource } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Request, RequestHandler } from 'express';
import { PinoLogger } from 'nestjs-pino';
import { AppError, errorEnvelope, unavailable } from '../common/errors';
import { currentRequest } from '../common/request-context';
import type { AppConfig } from '../config/app-config';
import { admission, requestsShed } from '../telemetry/metrics';
import { addressGroup } from './address';
import { FairQueue } from './fair-queue';

/** Who waits longer than that has long been sent again by its client, or by the proxy before us. */
const PATIENCE_MS = 1000;
const RETRY_AFTER_SECONDS = 1;
/** One party never has more than this part of what is worked on: others come first when they come. */
const SHARES = 4;
/** As few as that are worked on at a time where the process is busy with nothing else to gain. */
const SLOTS_MIN = 8;
const ADJUST_MS = 100;
/** Parts of the time in which the event loop has something to do. */
const BUSY = 0.9;
const EASY = 0.75;
/** Credentials whose organization is remembered: the latest ones. */
const REMEMBERED = 10_000;
const TELL_EVERY_MS = 1000;

const PARTY = Symbol('party');
type Arrival = Request & { [PARTY]?: string };

/**
 * Decides how many requests are worked on at a time, and whose. More than the process can do at a
 * time gains nothing: all of them would only take longer, until their callers have given up. What
 * is too much is turned away before it has cost anything, and never the requests of one
 * organization because of another's.
 *
 * How many that is depends on what they wait for. While the event loop is busy fewer are enough;
 * while it waits for the database, there is room for more.
 */
@Injectable()
export class Admission implements OnApplicationShutdown {
  private readonly queue: FairQueue;
  /** By the hash of the credentials. Only what the guard has found to be true. */
  private readonly organizations = new Map<string, string>();
  private readonly most: number;
  private readonly least: number;
  private slots: number;
  private turnedAway = 0;
  private loop = performance.eventLoopUtilization();
  private readonly timer: NodeJS.Timeout;
  private readonly unwatch: () => void;

  constructor(
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const { concurrent, waiting } = config.get('requests', { infer: true });
    this.most = concurrent;
    this.least = Math.min(SLOTS_MIN, concurrent);
    this.slots = concurrent;
    this.queue = new FairQueue({
      slots: this.slots,
      share: shareOf(this.slots),
      places: waiting,
      patienceMs: PATIENCE_MS,
    });
    this.unwatch = admission.add(() => ({ waiting: this.queue.waiting, slots: this.slots }));
    this.timer = setInterval(() => {
      this.adjust();
    }, ADJUST_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.unwatch();
  }

  /**
   * Turns away what there is no place for. Belongs before all that costs anything, the line in the
   * log included: there is one for all of a second.
   */
  turnAway(): RequestHandler {
    return (request, response, next) => {
      if (isProbe(request) || !this.queue.isFullFor(this.partyOf(request))) {
        next();
        return;
      }
      requestsShed.inc({ status: '503', reason: 'load' });
      this.tell();
      response.writeHead(503, OVERLOADED_HEADERS).end(OVERLOADED_BODY);
    };
  }

  /** Lets a request wait for its turn. Belongs behind the log, which tells of the waiting, too. */
  takeTurns(): RequestHandler {
    return (request, response, next) => {
      if (isProbe(request)) {
        next();
        return;
      }
      // It is another request's end that calls it.
      const proceed = AsyncResource.bind(next);
      const leave = this.queue.enter(this.partyOf(request), proceed, () => {
        proceed(overloaded());
      });
      const context = currentRequest();
      if (context) context.leaveQueue = leave;
      response.once('close', leave);
    };
  }

  /** To be told of what authentication has found out about the credentials of a request. */
  learn(request: Request, organizationId: string | undefined): void {
    const key = credentialsOf(request);
    if (key === undefined) return;
    this.organizations.delete(key);
    if (organizationId === undefined) return;
    this.organizations.set(key, organizationId);
    if (this.organizations.size <= REMEMBERED) return;
    const [oldest = ''] = this.organizations.keys();
    this.organizations.delete(oldest);
  }

  private adjust(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.loop);
    this.loop = now;
    if (utilization > BUSY) this.slots = Math.max(this.least, Math.floor(this.slots * 0.8));
    else if (utilization < EASY) this.slots = Math.min(this.most, this.slots + 2);
    this.queue.resize(this.slots, shareOf(this.slots));
  }

  private partyOf(request: Arrival): string {
    // Asked for twice: by who turns away, and by who takes turns.
    return (request[PARTY] ??= this.findParty(request));
  }

  private findParty(request: Request): string {
    const key = credentialsOf(request);
    const organizationId = key && this.organizations.get(key);
    return organizationId === undefined || organizationId === ''
      ? `ip ${addressGroup(request.ip ?? null)}`
      : `org ${organizationId}`;
  }

  private tell(): void {
    this.turnedAway++;
    if (this.turnedAway > 1) return;
    setTimeout(() => {
      this.logger.warn({ requests: this.turnedAway }, 'overloaded: requests were turned away');
      this.turnedAway = 0;
    }, TELL_EVERY_MS).unref();
  }
}

function shareOf(slots: number): number {
  return Math.ceil(slots / SHARES);
}

function overloaded(): AppError {
  return unavailable(RETRY_AFTER_SECONDS, {
    message: 'There is too much to do right now; come back in a moment.',
    shedReason: 'load',
  });
}

// Made once: what is turned away must cost as little as can be.
const OVERLOADED_BODY = JSON.stringify(errorEnvelope(overloaded()));
const OVERLOADED_HEADERS = {
  ...overloaded().headers,
  'Content-Type': 'application/json; charset=utf-8',
  'Content-Length': String(Buffer.byteLength(OVERLOADED_BODY)),
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** Those who ask whether the process is alive must not hear that it is busy. */
function isProbe({ path }: Request): boolean {
  return path.startsWith('/health');
}

function credentialsOf({ headers }: Request): string | undefined {
  const { authorization } = headers;
  return authorization && createHash('sha256').update(authorization).digest('base64');
}
