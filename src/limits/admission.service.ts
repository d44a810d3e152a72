import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Request, RequestHandler } from 'express';
import { PinoLogger } from 'nestjs-pino';
import { credentialsHash } from '../common/credentials';
import { type AppError, errorEnvelope, unavailable } from '../common/errors';
import { currentRequest, inContext } from '../common/request-context';
import { requestIdOf } from '../common/request-id';
import type { AppConfig } from '../config/app-config';
import { admission, requestsShed } from '../telemetry/metrics';
import { FairQueue, type Room } from './fair-queue';
import { GeneralLimit, partyOf } from './general-limit.service';

/** Who waits longer than that has long been sent again by its client, or by the proxy before us. */
const PATIENCE_MS = 1000;
const RETRY_AFTER_SECONDS = 1;
/** While others come, too, one party has such a part of what is worked on; alone it leaves that free. */
const SHARES = 4;
/** But one that takes long does not keep its organization from everything else. */
const SHARE_MIN = 2;
/** As few as that are worked on at a time where the process is busy with nothing else to gain. */
const SLOTS_MIN = 4;
/** As long as nobody waits: what is let in before one knows what it costs is done all in one turn. */
const SLOTS_AT_REST = 16;
const SLOTS_STEP = 2;
const ADJUST_MS = 100;
/** Parts of the time in which the event loop has something to do. */
const BUSY = 0.9;
const EASY = 0.75;
/** How long a turn of the loop may take: whoever comes waits for one, probes too. */
const TURN_MAX_MS = 8;
const TURN_EASY_MS = 2;
/** Credentials whose organization is remembered: the latest ones. */
const REMEMBERED = 10_000;
const TELL_EVERY_MS = 1000;

const PARTY = Symbol('party');
/** A request, and who was let in with it. */
type Arrival = IncomingMessage & { [PARTY]?: string };

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
  private readonly atRest: number;
  private slots: number;
  private turnedAway = { 429: 0, 503: 0 };
  private loop = performance.eventLoopUtilization();
  private turns = performance.nodeTiming.uvMetricsInfo.loopCount;
  private readonly timer: NodeJS.Timeout;
  private readonly unwatch: () => void;

  constructor(
    private readonly general: GeneralLimit,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    const { concurrent, waiting } = config.get('requests', { infer: true });
    this.most = concurrent;
    this.least = Math.min(SLOTS_MIN, concurrent);
    this.atRest = Math.min(SLOTS_AT_REST, concurrent);
    this.slots = this.atRest;
    this.queue = new FairQueue({
      ...roomOf(this.slots),
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
   * Turns away what there is no place for, and who has been told to come back later. Belongs before
   * all that costs anything, the line in the log included: there is one for all of a second.
   */
  turnAway(): RequestHandler {
    return (request: Request & Arrival, response, next) => {
      const refusal =
        request[PARTY] !== undefined || isProbe(request.path)
          ? undefined
          : this.refusalOf(request, this.organizationOf(request), request.ip);
      if (refusal) this.refuse(response, refusal);
      else next();
    };
  }

  /**
   * The same for callers who are known, before the application, which costs more than the refusal.
   * What browsers send from other sites goes on to it: it knows which headers they want.
   */
  turnAwayFrom(server: Server): void {
    const [handle] = server.listeners('request') as RequestListener[];
    if (!handle) throw new Error('The server has no application yet');
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      const isTold = request.headers.origin === undefined && !isProbe(request.url ?? '');
      const organizationId = isTold ? this.organizationOf(request) : undefined;
      const refusal =
        organizationId === undefined ? undefined : this.refusalOf(request, organizationId);
      if (refusal) {
        response.setHeader('X-Request-Id', requestIdOf(request));
        this.refuse(response, refusal);
      } else handle(request, response);
    });
  }

  /** Lets a request wait for its turn. Belongs behind the log, which tells of the waiting, too. */
  takeTurns(): RequestHandler {
    return (request: Request & Arrival, response, next) => {
      if (this.most === 0 || isProbe(request.path)) {
        next();
        return;
      }
      const context = currentRequest();
      // It is another request's end that calls it.
      const proceed = (fault?: unknown) => {
        inContext(context, () => {
          next(fault);
        });
      };
      const party = request[PARTY] ?? partyOf(undefined, request.ip);
      const leave = this.queue.enter(party, proceed, () => {
        proceed(OVERLOADED);
      });
      if (context) context.leaveQueue = leave;
      response.once('close', leave);
    };
  }

  /** To be told of what authentication has found out about the credentials of a request. */
  learn(request: Request, organizationId: string | undefined): void {
    const key = credentialsHash(request);
    if (key === undefined) return;
    this.organizations.delete(key);
    if (organizationId === undefined) return;
    this.organizations.set(key, organizationId);
    if (this.organizations.size <= REMEMBERED) return;
    const [oldest = ''] = this.organizations.keys();
    this.organizations.delete(oldest);
  }

  private adjust(): void {
    const { utilization, turnMs } = this.lookAtLoop();
    if (utilization > BUSY && turnMs > TURN_MAX_MS) {
      this.slots = Math.max(this.least, Math.floor(this.slots * 0.8));
    } else if (this.queue.waiting === 0) this.slots += Math.sign(this.atRest - this.slots);
    else if (utilization < EASY) this.growTo(this.most);
    // What is done in the same turn is cheaper, as long as turns are short.
    else if (turnMs < TURN_EASY_MS) this.growTo(this.atRest);
    this.queue.resize(roomOf(this.slots));
  }

  private growTo(most: number): void {
    if (this.slots < most) this.slots = Math.min(most, this.slots + SLOTS_STEP);
  }

  /** How busy the event loop was since the last look, and how long a turn of it took on average. */
  private lookAtLoop(): { utilization: number; turnMs: number } {
    const now = performance.eventLoopUtilization();
    const { utilization, active } = performance.eventLoopUtilization(now, this.loop);
    const turns = performance.nodeTiming.uvMetricsInfo.loopCount;
    const turnMs = active / Math.max(1, turns - this.turns);
    this.loop = now;
    this.turns = turns;
    return { utilization, turnMs };
  }

  /** Decides about a request, once, and remembers for whom. */
  private refusalOf(
    request: Arrival,
    organizationId: string | undefined,
    ip?: string,
  ): AppError | undefined {
    const party = partyOf(organizationId, ip);
    request[PARTY] = party;
    const isOver = organizationId && this.general.refusalOf(organizationId);
    if (isOver) return isOver;
    return this.most > 0 && this.queue.isFullFor(party) ? OVERLOADED : undefined;
  }

  private refuse(response: ServerResponse, refusal: AppError): void {
    requestsShed.inc({ status: String(refusal.status), reason: 'load' });
    this.tell(refusal);
    response
      .writeHead(refusal.status, { ...refusal.headers, ...BARE_HEADERS })
      .end(JSON.stringify(errorEnvelope(refusal)));
  }

  private organizationOf(request: IncomingMessage): string | undefined {
    const key = credentialsHash(request);
    return key === undefined ? undefined : this.organizations.get(key);
  }

  private tell({ status }: AppError): void {
    if (this.turnedAway[429] + this.turnedAway[503] === 0) {
      setTimeout(() => {
        const { 503: overloaded, 429: over_limit } = this.turnedAway;
        this.logger.warn({ overloaded, over_limit }, 'requests were turned away');
        this.turnedAway = { 429: 0, 503: 0 };
      }, TELL_EVERY_MS).unref();
    }
    this.turnedAway[status === 429 ? 429 : 503]++;
  }
}

/** How many run at a time, and how many of one party. */
function roomOf(slots: number): Room {
  const share = Math.max(SHARE_MIN, Math.ceil(slots / SHARES));
  return { slots, share, alone: Math.max(share, slots - share) };
}

const OVERLOADED = unavailable(RETRY_AFTER_SECONDS, {
  message: 'There is too much to do right now; come back in a moment.',
  shedReason: 'load',
});

/** Of an answer that nothing else has touched. */
const BARE_HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** Those who ask whether the process is alive must not hear that it is busy. */
function isProbe(path: string): boolean {
  return path.startsWith('/health');
}
