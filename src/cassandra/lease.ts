import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { defineQuery, type Query } from './define-query';
import { measured } from './statement-telemetry';

/**
 * A lease that is not renewed for this long is free again: the price of a crash of its holder.
 * It is far longer than one statement takes, because a statement that was sent cannot be fenced.
 */
const TTL_SECONDS = 60;
const RENEW_EVERY_MS = 15_000;
/** The margin is for a statement that is just being sent when the lease ends. */
const SAFE_MS = (TTL_SECONDS - 20) * 1000;

const take = defineQuery<LeaseRow>(
  'leases.take',
  `INSERT INTO leases (name, owner, renewed_at) VALUES (:name, :owner, :renewed_at)
   IF NOT EXISTS USING TTL ${String(TTL_SECONDS)}`,
);
const renew = defineQuery<LeaseRow>(
  'leases.renew',
  `UPDATE leases USING TTL ${String(TTL_SECONDS)} SET owner = :owner, renewed_at = :renewed_at
   WHERE name = :name IF owner = :owner`,
);
const release = defineQuery(
  'leases.release',
  'DELETE FROM leases WHERE name = :name IF owner = :owner',
);

interface LeaseRow {
  owner: { toString(): string } | null;
}

export class LeaseLostError extends Error {}

/** The exclusive right to do one named piece of work, among all processes of the cluster. */
export class Lease {
  private readonly owner = randomUUID();
  private lost = false;
  /** When the last request that gave us the lease was sent: it lives from then on at least. */
  private confirmedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly over = new AbortController();

  private constructor(
    private readonly client: Client,
    private readonly name: string,
  ) {}

  /** Runs `work` under the lease, waiting up to `patienceMs` for it. */
  static async hold<T>(
    client: Client,
    name: string,
    patienceMs: number,
    work: (lease: Lease) => Promise<T>,
  ): Promise<T> {
    const lease = new Lease(client, name);
    await lease.acquire(patienceMs);
    try {
      return await work(lease);
    } finally {
      await lease.end();
    }
  }

  /** Call before each step that must not run twice: throws once somebody else may hold the lease. */
  check(): void {
    if (this.lost || Date.now() - this.confirmedAt > SAFE_MS) {
      throw new LeaseLostError(`The lease "${this.name}" was lost`);
    }
  }

  /** Aborted once somebody else may hold the lease: for steps that take long. */
  get signal(): AbortSignal {
    return this.over.signal;
  }

  private async acquire(patienceMs: number): Promise<void> {
    const giveUpAt = Date.now() + patienceMs;
    while (!(await this.tryToTake(patienceMs))) {
      if (Date.now() > giveUpAt) throw new LeaseLostError(`The lease "${this.name}" stays taken`);
      await sleep(250 + Math.random() * 250);
    }
    this.timer = setInterval(() => {
      if (Date.now() - this.confirmedAt > SAFE_MS) this.over.abort();
      void this.renew();
    }, RENEW_EVERY_MS);
  }

  /** Many who want the same row at once time each other out; the patient ask again. */
  private async tryToTake(patienceMs: number): Promise<boolean> {
    try {
      return await this.tryQuery(take);
    } catch (error) {
      if (patienceMs === 0) throw error;
      return false;
    }
  }

  private async renew(): Promise<void> {
    try {
      this.lost ||= !(await this.tryQuery(renew));
      if (this.lost) this.over.abort();
    } catch {
      // The next time may do; `check` knows how long the lease is safe without.
    }
  }

  /** True when the lease is ours afterwards, also where an earlier answer got lost on its way. */
  private async tryQuery(query: Query<LeaseRow>): Promise<boolean> {
    const asked = Date.now();
    const params = { name: this.name, owner: this.owner, renewed_at: new Date() };
    const result = await measured(query.name, 'lwt', () =>
      this.client.execute(query.cql, params, {
        prepare: true,
        isIdempotent: false,
        executionProfile: 'cas',
      }),
    );
    const row = result.first() as unknown as LeaseRow | null;
    const ours = result.wasApplied() || row?.owner?.toString() === this.owner;
    if (ours) this.confirmedAt = asked;
    return ours;
  }

  private async end(): Promise<void> {
    clearInterval(this.timer);
    // Before anybody else can have it.
    this.over.abort();
    // A lease that cannot be given back ends by itself.
    await this.client
      .execute(
        release.cql,
        { name: this.name, owner: this.owner },
        { prepare: true, isIdempotent: false, executionProfile: 'cas' },
      )
      .catch(() => undefined);
  }
}
