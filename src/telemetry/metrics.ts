import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * The figures of this process, like the registry of statements: one for all, because that is what
 * is asked for them. Every label has few values that the program knows (route templates, names of
 * statements and workers, hosts of the cluster), never one that a caller chooses.
 */
export const registry = new Registry();
const registers = [registry];

/** Something that is looked at when the figures are asked for. */
export class Sources<T> {
  private readonly sources = new Set<() => T>();

  /** Returns the function that takes the source away again. */
  add(source: () => T): () => void {
    this.sources.add(source);
    return () => {
      this.sources.delete(source);
    };
  }

  read(): T[] {
    return [...this.sources].map((source) => source());
  }
}

export const requestDuration = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'Requests by route template and class of status; "aborted" where the answer did not get out whole',
  labelNames: ['method', 'route', 'status'] as const,
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers,
});

export const requestsInFlight = new Gauge({
  name: 'http_requests_in_flight',
  help: 'Requests that have no answer yet',
  registers,
});

export const admission = new Sources<{ waiting: number; slots: number }>();

new Gauge({
  name: 'http_requests_waiting',
  help: 'Requests that wait for others to end',
  registers,
  collect() {
    this.set(admission.read().reduce((sum, { waiting }) => sum + waiting, 0));
  },
});

new Gauge({
  name: 'http_requests_concurrent_max',
  help: 'Requests that are worked on at a time, at most: fewer while the event loop is busy',
  registers,
  collect() {
    this.set(admission.read().reduce((sum, { slots }) => sum + slots, 0));
  },
});

export const requestsShed = new Counter({
  name: 'http_requests_shed_total',
  help: 'Requests that were turned away (429, 503), by reason',
  labelNames: ['status', 'reason'] as const,
  registers,
});

export const statementDuration = new Histogram({
  name: 'cassandra_statement_duration_seconds',
  help: 'Statements by name, retries of the driver included; a batch goes by its first one',
  labelNames: ['statement', 'kind'] as const,
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
  registers,
});

export const statementErrors = new Counter({
  name: 'cassandra_statement_errors_total',
  help: 'Statements that failed in the end, by name and kind of failure',
  labelNames: ['statement', 'error'] as const,
  registers,
});

export const statementRetries = new Counter({
  name: 'cassandra_statement_retries_total',
  help: 'Decisions to send a statement again: of the driver, or to settle a conditional write',
  labelNames: ['statement'] as const,
  registers,
});

export const hostDuration = new Histogram({
  name: 'cassandra_host_request_duration_seconds',
  help: 'Single attempts by the host that was asked',
  labelNames: ['host'] as const,
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
  registers,
});

export const hostErrors = new Counter({
  name: 'cassandra_host_errors_total',
  help: 'Single attempts that failed, by host and kind of failure',
  labelNames: ['host', 'error'] as const,
  registers,
});

/** What a client of the database has open to one host. */
export interface HostPool {
  host: string;
  connections: number;
  inFlight: number;
}

export const pools = new Sources<HostPool[]>();

function perHost(gauge: Gauge<'host'>, value: (pool: HostPool) => number): void {
  // A host that has left must not go on with its last value.
  gauge.reset();
  for (const pool of pools.read().flat()) gauge.inc({ host: pool.host }, value(pool));
}

new Gauge({
  name: 'cassandra_pool_connections',
  help: 'Open connections by host',
  labelNames: ['host'] as const,
  registers,
  collect() {
    perHost(this, ({ connections }) => connections);
  },
});

new Gauge({
  name: 'cassandra_pool_in_flight',
  help: 'Requests to a host that it has not answered yet',
  labelNames: ['host'] as const,
  registers,
  collect() {
    perHost(this, ({ inFlight }) => inFlight);
  },
});

export const hashing = new Sources<{ waiting: number; active: number }>();

new Gauge({
  name: 'password_hashing_queue',
  help: 'Passwords that wait for a thread',
  registers,
  collect() {
    this.set(hashing.read().reduce((sum, { waiting }) => sum + waiting, 0));
  },
});

new Gauge({
  name: 'password_hashing_active',
  help: 'Passwords that are being hashed or compared',
  registers,
  collect() {
    this.set(hashing.read().reduce((sum, { active }) => sum + active, 0));
  },
});

export const hashingRejected = new Counter({
  name: 'password_hashing_rejected_total',
  help: 'Passwords nobody looked at: the queue was full, or their request was over before their turn',
  labelNames: ['reason'] as const,
  registers,
});

export const workerRounds = new Counter({
  name: 'worker_rounds_total',
  help: 'Rounds that a background worker has finished',
  labelNames: ['worker'] as const,
  registers,
});

export const workerFailures = new Counter({
  name: 'worker_failures_total',
  help: 'Times that a background worker gave up its work because of an error',
  labelNames: ['worker'] as const,
  registers,
});

export const workerLease = new Gauge({
  name: 'worker_lease_held',
  help: '1 where this process does the work, 0 where it stands by',
  labelNames: ['worker'] as const,
  registers,
});

export const webhookAttempts = new Counter({
  name: 'webhook_attempts_total',
  help: 'Attempts to send an event to a webhook: delivered, or why not',
  labelNames: ['outcome'] as const,
  registers,
});

export const webhookEvents = new Sources<number>();

new Gauge({
  name: 'webhook_events_waiting',
  help: 'Events of webhooks that this process has in memory and has not got rid of',
  registers,
  collect() {
    this.set(webhookEvents.read().reduce((sum, count) => sum + count, 0));
  },
});

let collecting = false;

/** Measures the process itself, too (memory, processor, event loop): not free, so only when asked for. */
export function measureProcess(): void {
  if (collecting) return;
  collecting = true;
  collectDefaultMetrics({ register: registry });
}
