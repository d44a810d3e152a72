import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { compare, getRounds, hash as hashAtCost } from 'bcrypt';
import pLimit, { type LimitFunction } from 'p-limit';
import { leaveQueue, remainingTime } from '../common/request-context';
import { type AppError, unavailable } from '../common/errors';
import type { AppConfig } from '../config/app-config';
import { lowerThreadPool } from '../config/thread-pool';
import { hashing, hashingRejected } from '../telemetry/metrics';
import { canonicalPassword, isHashable } from './password-rules';

/** Longest wait for a free thread where no request sets a shorter one. */
const PATIENCE_MS = 30_000;

/** Hashes and compares passwords on threads of Node's pool, some at a time, away from the event loop. */
@Injectable()
export class PasswordService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly cost: number;
  private readonly queueMax: number;
  private readonly limit: LimitFunction;
  /** Of a password nobody has, at today's cost: unknown users cost what known ones do. */
  private readonly dummyHash: Promise<string>;
  private readonly unwatch: () => void;

  constructor(config: ConfigService<AppConfig, true>) {
    const { cost, threads, queue } = config.get('passwords', { infer: true });
    this.cost = cost;
    this.queueMax = queue;
    this.limit = pLimit(threads);
    this.unwatch = hashing.add(() => ({
      waiting: this.limit.pendingCount,
      active: this.limit.activeCount,
    }));
    this.dummyHash = this.hash(crypto.randomUUID());
    // Where it fails the start does, below.
    this.dummyHash.catch(() => undefined);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.dummyHash;
    // The first hash has started the threads.
    lowerThreadPool();
  }

  onApplicationShutdown(): void {
    this.unwatch();
  }

  /** @throws AppError SERVICE_UNAVAILABLE when too many are waiting, as `verify` */
  async hash(password: string): Promise<string> {
    const canonical = canonicalPassword(password);
    return this.run(() => hashAtCost(canonical, this.cost));
  }

  /** Compares also where there is nothing to compare with, so that the time tells nothing. */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    // bcrypt ignores what is beyond its 72 bytes and repeats the key after a NUL.
    const hashable = isHashable(password);
    const text = hashable ? canonicalPassword(password) : '';
    const against = hash ?? (await this.dummyHash);
    const matches = await this.run(() => compare(text, against));
    return hashable && hash !== undefined && matches;
  }

  /** True when the hash was made at a lower cost than today's. */
  isOutdated(hash: string): boolean {
    return getRounds(hash) < this.cost;
  }

  private run<T>(work: () => Promise<T>): Promise<T> {
    if (this.limit.pendingCount >= this.queueMax) throw rejected('full');
    const expiresAt = Date.now() + remainingTime(PATIENCE_MS);
    leaveQueue();
    return this.limit(() => {
      // Nobody waits for it any more.
      if (Date.now() > expiresAt) throw rejected('expired');
      return work();
    });
  }
}

function rejected(reason: 'full' | 'expired'): AppError {
  hashingRejected.inc({ reason });
  return unavailable(2, { shedReason: 'hashing' });
}
