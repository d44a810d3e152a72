import { AsyncLocalStorage } from 'node:async_hooks';
import type { RequestHandler } from 'express';
import { type AppError, unavailable } from './errors';
import { StatementLog } from './statement-log';

/** What is true of a request wherever its work leads. */
export interface RequestContext {
  requestId: string;
  ip: string | null;
  /** For the log alone: what may be done is decided by the principal that is handed on. */
  caller?: { organization_id: string; user_id: string };
  /** Epoch ms. */
  endsAt: number;
  statements: StatementLog;
  /** Where requests are traced. */
  trace?: RequestTrace;
  /** Where the caller has given the request a name, by Idempotency-Key. */
  operation?: Operation;
  /** Lets the next request begin before this one has ended. */
  leaveQueue?: () => void;
}

/** The span of a request, as far as its statements need it. */
export interface RequestTrace {
  /** Returns what ends it, with one word for what went wrong, if it did. */
  startStatement(name: string, kind: string): (error?: string) => void;
}

/** What the repetitions of a request have in common. */
export interface Operation {
  /** A UUIDv7, made at the first attempt and the same at all others. */
  seed: string;
  /** True when an attempt before this one was left half way, or nobody knows how it ended. */
  replay: boolean;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** undefined for work that no request has caused. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore();
}

/** What every line of the log tells that is written for a request. */
export function logFields(context = storage.getStore()): Record<string, string | undefined> {
  if (!context) return {};
  // Each is named, also where there is none: else it could be left from what is written over.
  const { requestId: request_id, caller } = context;
  return { request_id, organization_id: caller?.organization_id, user_id: caller?.user_id };
}

/**
 * Gives every request one deadline for all the work it causes. Timeouts of single attempts add up
 * (attempts times hosts times statements); a client waits for the sum.
 */
export function requestContext(milliseconds: number): RequestHandler {
  return (request, _response, next) => {
    const endsAt = Date.now() + milliseconds;
    const statements = new StatementLog();
    storage.run(
      { requestId: request.id as string, ip: request.ip ?? null, endsAt, statements },
      next,
    );
  };
}

/**
 * Does a step of long work as a request of its own, which has a deadline and may be an attempt of an
 * operation. `name` is its request id in the log.
 */
export function asRequest<T>(
  name: string,
  milliseconds: number,
  operation: Operation | undefined,
  work: () => T,
): T {
  const endsAt = Date.now() + milliseconds;
  const statements = new StatementLog();
  return storage.run({ requestId: name, ip: null, endsAt, statements, operation }, work);
}

/** Does `work` as part of a request, from wherever that had to wait for. */
export function inContext<T>(context: RequestContext | undefined, work: () => T): T {
  return context && context !== storage.getStore() ? storage.run(context, work) : work();
}

/** Does `work`, the rest of the current request, as an attempt of an operation. */
export function withOperation<T>(operation: Operation, work: () => T): T {
  const current = storage.getStore();
  return current ? storage.run({ ...current, operation }, work) : work();
}

/**
 * Does what has to follow a request however that ended, also when its time is over: `work` has a
 * time of its own.
 */
export function withOwnDeadline<T>(milliseconds: number, work: () => T): T {
  const current = storage.getStore();
  const endsAt = Date.now() + milliseconds;
  return current ? storage.run({ ...current, endsAt }, work) : work();
}

/**
 * To be called where a request begins to wait for something else than the process and the database:
 * for its client, for a thread, for something to happen. It does not keep others from being worked
 * on any more, so whoever calls this must have a bound of its own.
 */
export function leaveQueue(): void {
  currentRequest()?.leaveQueue?.();
}

/** Milliseconds left for the current request, at most `limit`; just `limit` outside a request. */
export function remainingTime(limit: number): number {
  const current = storage.getStore();
  return current ? Math.min(limit, current.endsAt - Date.now()) : limit;
}

/**
 * The result of `work`, or 503 once the time is over. The work itself cannot be called back:
 * whoever writes must treat its outcome as unknown.
 */
export function withDeadline<T>(limit: number, work: () => Promise<T>): Promise<T> {
  const time = remainingTime(limit);
  if (time <= 0) return Promise.reject(tooLate());
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(tooLate());
    }, time);
    const stop = () => {
      clearTimeout(timer);
    };
    const result = work();
    result.then(stop, stop);
    result.then(resolve, reject);
  });
}

function tooLate(): AppError {
  return unavailable(1, { message: 'The request took too long.', shedReason: 'deadline' });
}
