import { timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { v4 as randomId, v7 as timeOrderedId } from 'uuid';
import { AppError } from '../common/errors';
import { withOwnDeadline } from '../common/request-context';
import { seal, unseal } from '../common/sealed';
import { type AppConfig, deriveKeys, type Keys } from '../config/app-config';
import { type Attempt, IdempotencyRepository, type StoredAnswer } from './idempotency.repository';
import type { KeyScope } from './idempotent-request';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** An answer as the client gets it. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** JSON; null for an answer without a body. */
  body: string | null;
}

/** What a request has to do: repeat an answer, or the work (again). */
export type Begun = { answer: Answer; seed: string } | { attempt: Attempt; replay: boolean };

/** The longest that an answer waits for being stored. */
const STORE_LIMIT_MS = 5000;
const RETRY_AFTER = { 'Retry-After': '1' };
/** Refusals that are about the moment or the caller, not about the request. */
const PASSING = new Set([401, 403, 408, 429]);

/** True when asking again cannot make sense: the answer stands, good or bad. */
export function isFinal({ status, headers }: Answer): boolean {
  return status < 500 && !PASSING.has(status) && !('Retry-After' in headers);
}

/** Lets a request that is sent several times under one key have one effect and one answer. */
@Injectable()
export class IdempotencyService {
  /** The first one seals, all of them open. */
  private readonly keys: Keys;
  private readonly requestTimeoutMs: number;

  constructor(
    private readonly attempts: IdempotencyRepository,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.keys = deriveKeys(config.get('auth', { infer: true }), 'idempotency');
    this.requestTimeoutMs = config.get('http', { infer: true }).requestTimeoutMs;
  }

  /**
   * Looks for the attempts before this one.
   * @throws AppError IDEMPOTENCY_KEY_REUSED when they were of another request,
   * IDEMPOTENCY_IN_PROGRESS while one runs, CONFLICT when its answer cannot be read any more
   */
  async begin(scope: KeyScope, digest: Buffer): Promise<Begun> {
    const first = this.newAttempt(seal(this.keys[0], digest), timeOrderedId());
    if (await this.attempts.insert(scope, first)) return { attempt: first, replay: false };
    const found = await this.attempts.find(scope);
    // Expired in between.
    if (!found) throw inProgress();
    const known = unseal(this.keys, found.requestHash);
    if (!known) throw unreadable();
    if (!timingSafeEqual(known, digest)) throw new AppError('IDEMPOTENCY_KEY_REUSED');
    if (found.answer) return { answer: await this.open(found.answer), seed: found.seed };
    if (found.state === 'running' && !this.isAbandoned(found)) throw inProgress();
    const next = this.newAttempt(found.requestHash, found.seed);
    if (!(await this.attempts.replace(scope, found, next))) throw inProgress();
    return { attempt: next, replay: true };
  }

  /**
   * Keeps the answer for repetitions, or lets the next one run again when there is none that
   * stands. Does not fail: what cannot be stored goes on counting as running, until it counts as
   * abandoned and is run again with the same seed.
   * @param answer undefined when it is not known what the attempt came to
   */
  async finish(scope: KeyScope, attempt: Attempt, answer: Answer | undefined): Promise<void> {
    const limit = Math.min(STORE_LIMIT_MS, this.requestTimeoutMs);
    try {
      const final = answer !== undefined && isFinal(answer);
      const next: Attempt = final
        ? { ...attempt, state: 'done', answer: await this.close(answer) }
        : { ...attempt, state: 'failed' };
      const stored = await withOwnDeadline(limit, () =>
        this.attempts.replace(scope, attempt, next),
      );
      if (!stored)
        this.logger.warn({ seed: attempt.seed }, 'attempt was taken over by another one');
    } catch (error) {
      this.logger.error({ err: error, seed: attempt.seed }, 'end of an attempt is not stored');
    }
  }

  private newAttempt(requestHash: Buffer, seed: string): Attempt {
    const [id, startedAt] = [randomId(), new Date()];
    return { requestHash, seed, id, state: 'running', startedAt, answer: null };
  }

  /** No request lives that long: its process has died, or could not store how it ended. */
  private isAbandoned({ startedAt }: Attempt): boolean {
    return Date.now() - startedAt.getTime() > 2 * this.requestTimeoutMs;
  }

  private async close({ status, headers, body }: Answer): Promise<StoredAnswer> {
    const sealed = body === null ? null : seal(this.keys[0], await compress(body));
    return { status, headers, body: sealed };
  }

  private async open({ status, headers, body }: StoredAnswer): Promise<Answer> {
    if (body === null) return { status, headers, body: null };
    const opened = unseal(this.keys, body);
    if (!opened) throw unreadable();
    return { status, headers, body: (await decompress(opened)).toString() };
  }
}

function inProgress(): AppError {
  return new AppError('IDEMPOTENCY_IN_PROGRESS', { headers: RETRY_AFTER });
}

/** Sealed with a key that has been taken out since. */
function unreadable(): AppError {
  return new AppError('CONFLICT', {
    message: 'What was answered under this Idempotency-Key cannot be read any more; use a new one.',
  });
}
