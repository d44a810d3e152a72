import { type Client, errors, type Host, types } from 'cassandra-driver';
import RequestTracker from 'cassandra-driver/lib/tracker/request-tracker';
import type { Histogram } from 'prom-client';
import { currentRequest } from '../common/request-context';
import {
  hostDuration,
  hostErrors,
  type HostPool,
  pools,
  statementDuration,
  statementErrors,
  statementRetries,
} from '../telemetry/metrics';
import { allQueries } from './define-query';

/** A conditional batch is `lwt`, too. */
export type StatementKind = 'single' | 'batch' | 'lwt';

type Observer = Pick<Histogram.Internal<string>, 'observe'>;

const observers: Record<StatementKind, Map<string, Observer>> = {
  single: new Map(),
  batch: new Map(),
  lwt: new Map(),
};

/** Made once for each statement: there is one at every turn of the hot path. */
function observerOf(statement: string, kind: StatementKind): Observer {
  const known = observers[kind].get(statement);
  if (known) return known;
  const observer = statementDuration.labels(statement, kind);
  observers[kind].set(statement, observer);
  return observer;
}

const { responseErrorCodes: codes } = types;
const ANSWERS = new Map<number, string>([
  [codes.unavailableException, 'unavailable'],
  [codes.overloaded, 'overloaded'],
  [codes.isBootstrapping, 'bootstrapping'],
  [codes.writeTimeout, 'write_timeout'],
  [codes.readTimeout, 'read_timeout'],
  [codes.writeFailure, 'write_failure'],
  [codes.readFailure, 'read_failure'],
]);

/** One of a dozen words. */
function kindOfError(error: unknown): string {
  if (error instanceof errors.OperationTimedOutError) return 'client_timeout';
  if (error instanceof errors.NoHostAvailableError) return 'no_host';
  if (error instanceof errors.BusyConnectionError) return 'busy';
  if (error instanceof errors.ResponseError) return ANSWERS.get(error.code) ?? 'other';
  return (error as { isSocketError?: boolean }).isSocketError === true ? 'connection' : 'other';
}

/** Does `work`, which sends one statement or one batch, and takes its time. */
export async function measured<T>(
  statement: string,
  kind: StatementKind,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const request = currentRequest();
  const log = request?.statements;
  const entry = log?.start(statement);
  const endSpan = request?.trace?.startStatement(statement, kind);
  let failure: string | undefined;
  try {
    return await work();
  } catch (error) {
    failure = kindOfError(error);
    statementErrors.inc({ statement, error: failure });
    throw error;
  } finally {
    if (entry) log?.end(entry);
    endSpan?.(failure);
    observerOf(statement, kind).observe((performance.now() - startedAt) / 1000);
  }
}

/** Counts that a statement is sent again. */
export function countRetry(statement: string): void {
  statementRetries.inc({ statement });
}

let names: Map<string, string> | undefined;

/** As `countRetry`, where only the text is known: the driver names no statement of a batch. */
export function countRetryOf(cql: string | undefined): void {
  names ??= new Map(allQueries().map((query) => [query.cql, query.name]));
  countRetry(cql === undefined ? 'batch' : (names.get(cql) ?? 'other'));
}

/** Times every attempt by its host; one that is slow or away shows here first. */
export class HostTracker extends RequestTracker {
  override onSuccess(host: Host, ...rest: unknown[]): void {
    this.observe(host, rest.at(-1) as [number, number]);
  }

  override onError(host: Host, ...rest: unknown[]): void {
    this.observe(host, rest.at(-1) as [number, number]);
    hostErrors.inc({ host: host.address, error: kindOfError(rest.at(-2)) });
  }

  private observe(host: Host, [seconds, nanoseconds]: [number, number]): void {
    hostDuration.observe({ host: host.address }, seconds + nanoseconds / 1e9);
  }
}

/** Shows what the client has open, until the function that is returned is called. */
export function watchPool(client: Client): () => void {
  return pools.add((): HostPool[] => {
    const state = client.getState();
    return state.getConnectedHosts().map((host) => ({
      host: host.address,
      connections: state.getOpenConnections(host),
      inFlight: state.getInFlightQueries(host),
    }));
  });
}
