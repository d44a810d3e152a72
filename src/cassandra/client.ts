import { auth, Client, ExecutionProfile, policies, types } from 'cassandra-driver';
import type { AppConfig } from '../config/app-config';
import { countRetryOf, HostTracker } from './statement-telemetry';

const { consistencies } = types;

const RETHROW = new policies.retry.RetryPolicy().rethrowResult().decision;

function counted(
  info: policies.retry.OperationInfo,
  decision: policies.retry.DecisionInfo,
): policies.retry.DecisionInfo {
  if (decision.decision !== RETHROW) countRetryOf(info.query);
  return decision;
}

/**
 * At most one retry of an attempt, wherever it is: the default policy walks all hosts, and each
 * attempt has a timeout of its own.
 */
class OneRetryPolicy extends policies.retry.RetryPolicy {
  override onUnavailable(
    info: policies.retry.OperationInfo,
    consistency: types.consistencies,
    required: number,
    alive: boolean,
  ): policies.retry.DecisionInfo {
    return counted(info, super.onUnavailable(info, consistency, required, alive));
  }

  override onWriteTimeout(
    info: policies.retry.OperationInfo,
    consistency: types.consistencies,
    received: number,
    blockFor: number,
    writeType: string,
  ): policies.retry.DecisionInfo {
    return counted(info, super.onWriteTimeout(info, consistency, received, blockFor, writeType));
  }

  override onReadTimeout(
    info: policies.retry.OperationInfo,
    consistency: types.consistencies,
    received: number,
    blockFor: number,
    isDataPresent: boolean,
  ): policies.retry.DecisionInfo {
    if (info.nbRetry > 0) return this.rethrowResult();
    return counted(info, super.onReadTimeout(info, consistency, received, blockFor, isDataPresent));
  }

  override onRequestError(
    info: policies.retry.OperationInfo,
    consistency: types.consistencies,
    error: Error,
  ): policies.retry.DecisionInfo {
    if (info.nbRetry > 0) return this.rethrowResult();
    return counted(info, super.onRequestError(info, consistency, error));
  }
}

/**
 * The consistency of the whole product, stated once. A write is acknowledged by a quorum of the
 * local data centre and a read asks a quorum, so every read sees every acknowledged write.
 * Timeouts are per attempt; Cassandra's own are 5 s for reads and 2 s for writes by default, and
 * a conditional write may take several rounds of them.
 */
function executionProfiles(): ExecutionProfile[] {
  const common = {
    consistency: consistencies.localQuorum,
    serialConsistency: consistencies.localSerial,
  };
  const once = new policies.retry.FallthroughRetryPolicy();
  return [
    new ExecutionProfile('default', { ...common, readTimeout: 3000, retry: new OneRetryPolicy() }),
    new ExecutionProfile('cas', { ...common, readTimeout: 4000, retry: once }),
    new ExecutionProfile('serial-read', {
      ...common,
      consistency: consistencies.localSerial,
      readTimeout: 4000,
      retry: once,
    }),
    new ExecutionProfile('ddl', { ...common, readTimeout: 60_000, retry: once }),
  ];
}

/** A client that is not connected yet; without a keyspace for the work before there is one. */
export function createClient(config: AppConfig['cassandra'], keyspace?: string): Client {
  return new Client({
    contactPoints: config.contactPoints,
    localDataCenter: config.datacenter,
    keyspace,
    authProvider: new auth.PlainTextAuthProvider(config.username, config.password),
    sslOptions: config.tls
      ? { ca: config.tls.ca ? [config.tls.ca] : undefined, rejectUnauthorized: true }
      : undefined,
    protocolOptions: { port: config.port, maxSchemaAgreementWaitSeconds: 30 },
    profiles: executionProfiles(),
    // Without it the driver phones home to an analytics endpoint of one vendor.
    monitorReporting: { enabled: false },
    requestTracker: new HostTracker(),
    encoding: { useUndefinedAsUnset: true },
    // No pages: every query is bounded by its key or its limit. Where a page may end before the answer
    // does, Cassandra reads the partitions of an IN one after the other (docs/adr/0019-no-pages.md).
    queryOptions: { fetchSize: 0 },
    policies: {
      // The default waits up to ten minutes before it tries a host again.
      reconnection: new policies.reconnection.ExponentialReconnectionPolicy(500, 15_000),
      // A second replica is asked when the first is slow; the driver does it for idempotent
      // statements only, which are the reads.
      speculativeExecution: new policies.speculativeExecution.ConstantSpeculativeExecutionPolicy(
        500,
        1,
      ),
    },
    pooling: {
      // As by default: more of them would share out what one write can send (docs/adr/0021-statements-of-a-turn.md).
      coreConnectionsPerHost: { [types.distance.local]: 1 },
      heartBeatInterval: 5000,
      // Requests beyond these fail at once instead of growing an invisible queue.
      maxRequestsPerConnection: 1024,
    },
    socketOptions: {
      connectTimeout: 5000,
      // A stalled host leaves the pool after this many unanswered requests; the default is 64.
      defunctReadTimeoutThreshold: 8,
    },
  });
}
