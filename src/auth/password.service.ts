import { extname, join } from 'node:path';
import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { getRounds } from 'bcryptjs';
import { Piscina } from 'piscina';
import { leaveQueue, remainingTime } from '../common/request-context';
import { type AppError, unavailable } from '../common/errors';
import type { AppConfig } from '../config/app-config';
import { hashing, hashingRejected } from '../telemetry/metrics';
import { canonicalPassword, isHashable } from './password-rules';

type Task =
  | { kind: 'hash'; password: string; cost: number }
  | { kind: 'compare'; password: string; hash: string };

/** Longest wait for a free thread where no request sets a shorter one. */
const PATIENCE_MS = 30_000;

/** Hashes and compares passwords in a bounded pool of threads, away from the event loop. */
@Injectable()
export class PasswordService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly cost: number;
  private readonly pool: Piscina;
  /** Of a password nobody has, at today's cost: unknown users cost what known ones do. */
  private readonly dummyHash: Promise<string>;
  /** Waiting or active. */
  private unfinished = 0;
  private readonly unwatch: () => void;

  constructor(config: ConfigService<AppConfig, true>) {
    const { cost, threads, queue } = config.get('passwords', { infer: true });
    this.cost = cost;
    this.pool = new Piscina({
      // The compiled worker in production; in the tests Node reads the TypeScript itself.
      filename: join(__dirname, `password.worker.${extname(__filename) === '.ts' ? 'mts' : 'mjs'}`),
      minThreads: 1,
      maxThreads: threads,
      maxQueue: queue,
      // A thread takes a second to start: better once than for every quiet minute.
      idleTimeout: Infinity,
    });
    this.unwatch = hashing.add(() => {
      const waiting = this.pool.queueSize;
      return { waiting, active: Math.max(0, this.unfinished - waiting) };
    });
    this.dummyHash = this.hash(crypto.randomUUID());
    // Where it fails the start does, below.
    this.dummyHash.catch(() => undefined);
  }

  /** Until then the thread starts beside everything else. */
  async onApplicationBootstrap(): Promise<void> {
    await this.dummyHash;
  }

  async onApplicationShutdown(): Promise<void> {
    this.unwatch();
    await this.pool.destroy();
  }

  /** @throws AppError SERVICE_UNAVAILABLE when too many are waiting, as `verify` */
  async hash(password: string): Promise<string> {
    const canonical = canonicalPassword(password);
    return (await this.run({ kind: 'hash', password: canonical, cost: this.cost })) as string;
  }

  /** Compares also where there is nothing to compare with, so that the time tells nothing. */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    // bcrypt ignores what is beyond its 72 bytes and repeats the key after a NUL.
    const hashable = isHashable(password);
    const matches = await this.run({
      kind: 'compare',
      password: hashable ? canonicalPassword(password) : '',
      hash: hash ?? (await this.dummyHash),
    });
    return hashable && hash !== undefined && matches === true;
  }

  /** True when the hash was made at a lower cost than today's. */
  isOutdated(hash: string): boolean {
    return getRounds(hash) < this.cost;
  }

  private async run(task: Task): Promise<string | boolean> {
    if (this.pool.queueSize >= this.pool.options.maxQueue) throw rejected('full');
    const expiresAt = Date.now() + remainingTime(PATIENCE_MS);
    leaveQueue();
    this.unfinished += 1;
    try {
      const result = (await this.pool.run({ ...task, expiresAt })) as string | boolean;
      if (result === 'expired') throw rejected('expired');
      return result;
    } finally {
      this.unfinished -= 1;
    }
  }
}

function rejected(reason: 'full' | 'expired'): AppError {
  hashingRejected.inc({ reason });
  return unavailable(2, { shedReason: 'hashing' });
}
