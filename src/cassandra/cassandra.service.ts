import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Client, types } from 'cassandra-driver';
import PrepareHandler from 'cassandra-driver/lib/prepare-handler';
import { remainingTime, withDeadline } from '../common/request-context';
import { groupBy } from '../common/group-by';
import { inChunks } from '../common/in-chunks';
import { inParallel } from '../common/in-parallel';
import { allQueries, type Query } from './define-query';
import { endOfTurn } from './end-of-turn';
import { Lease } from './lease';
import { isUnknownOutcome, toAppError, UnknownOutcomeError } from './errors';
import { countRetry, measured, type StatementKind, watchPool } from './statement-telemetry';

/** Values for the named markers of a statement. `undefined` leaves a column as it is. */
export type Params = Record<string, unknown>;

export interface RunOptions {
  /** Reads at LOCAL_SERIAL: sees every conditional write that was accepted, at the price of Paxos. */
  serial?: boolean;
  /** False for a write that must not be sent twice. Default: true (conditional writes: always false). */
  idempotent?: boolean;
}

/** One statement of a batch. */
export interface Statement {
  query: Query;
  params: Params;
}

export interface LwtResult {
  applied: boolean;
  /** Where the condition failed: the current values of the columns it names. */
  current: Params | null;
}

/** The longest any one operation may take, its retries included; the request's deadline holds besides. */
const OPERATION_LIMIT_MS = 15_000;
/** Statements in one unlogged batch over several partitions, on average; at most, those of one partition. */
const SCATTER_SIZE = 10;
const PREPARED_AT_ONCE = 16;
/** Attempts to settle a conditional write whose outcome is unknown. */
const LWT_ATTEMPTS = 4;

/** All access to the database: the only place that knows profiles, retries and driver errors. */
@Injectable()
export class CassandraService implements OnApplicationShutdown {
  private readonly unwatch: () => void;
  private readonly background = new Set<Promise<void>>();

  constructor(
    private readonly client: Client,
    private readonly keyspace: string,
  ) {
    this.unwatch = watchPool(client);
  }

  /** Runs one unconditional statement and returns its rows. */
  async run<R>(query: Query<R>, params: Params, options: RunOptions = {}): Promise<R[]> {
    const result = await this.measuredAttempt(query.name, 'single', () =>
      this.client.execute(query.cql, params, {
        prepare: true,
        isIdempotent: options.idempotent ?? true,
        executionProfile: options.serial ? 'serial-read' : 'default',
      }),
    );
    return result.rows as unknown as R[];
  }

  /** A statement that nobody has to wait for, and that may fail. The end of the process waits for it. */
  runInBackground(query: Query, params: Params): void {
    const forget = () => {
      this.background.delete(done);
    };
    const done: Promise<void> = this.run(query, params).then(forget, forget);
    this.background.add(done);
  }

  /** The first row, or undefined: for look-ups by primary key. */
  async first<R>(
    query: Query<R>,
    params: Params,
    options: RunOptions = {},
  ): Promise<R | undefined> {
    return (await this.run(query, params, options))[0];
  }

  /** The rows of a query that is bounded by its own `LIMIT :size`. */
  async page<R>(query: Query<R>, params: Params, size: number): Promise<R[]> {
    return this.run(query, { ...params, size });
  }

  /** A logged batch of unconditional statements: all of them will be applied, or none. */
  async batch(statements: Statement[]): Promise<void> {
    await this.measuredAttempt(nameOf(statements), 'batch', () =>
      this.client.batch(toDriver(statements), { prepare: true, logged: true, isIdempotent: true }),
    );
  }

  /**
   * Many unconditional writes to many partitions, in no order: all are done when it returns, and
   * any of them may be when it fails. Ten to a request: the server warns of batches that span more
   * partitions, and of more than 5 kB, so neighbours, which can all be large, go apart.
   * @param partitionOf what is said to be in the same partition is sent together, and so done at once: nobody
   * finds one row removed and the other not yet there. Without it, each goes for itself.
   */
  async scatter(
    statements: Statement[],
    partitionOf?: (statement: Statement) => string,
  ): Promise<void> {
    const groups = partitionOf
      ? [...groupBy(statements, partitionOf).values()].flatMap((group) =>
          inChunks(group, SCATTER_SIZE),
        )
      : statements.map((statement) => [statement]);
    const count = Math.ceil(statements.length / SCATTER_SIZE);
    const chunks = Array.from({ length: count }, (_, at) =>
      groups.filter((_group, index) => index % count === at).flat(),
    );
    await Promise.all(
      chunks.map((chunk) =>
        this.measuredAttempt(nameOf(chunk), 'batch', () =>
          this.client.batch(toDriver(chunk), { prepare: true, logged: false, isIdempotent: true }),
        ),
      ),
    );
  }

  /**
   * A conditional write: one statement, or several in one partition that apply together.
   *
   * When its outcome is unknown (timeout, lost connection) the same write is sent again; should it
   * then be refused, `isMine` decides by a SERIAL read whether that is because the first one was
   * applied. The write must therefore carry something of its own: a new id, or an operation id.
   */
  async lwt(statements: Statement[], isMine: () => Promise<boolean>): Promise<LwtResult> {
    const name = statements.map((statement) => statement.query.name).join('+');
    return withDeadline(OPERATION_LIMIT_MS, async () => {
      let doubtful = false;
      for (let attempt = 1; ; attempt++) {
        try {
          const result = await inTurn(nameOf(statements), 'lwt', () =>
            this.sendConditional(statements),
          );
          if (!result.applied && doubtful && (await isMine())) {
            return { applied: true, current: null };
          }
          return result;
        } catch (error) {
          const unknown = isUnknownOutcome(error);
          doubtful ||= unknown;
          if (!unknown || attempt === LWT_ATTEMPTS || remainingTime(1) <= 0) {
            throw toAppError(doubtful ? new UnknownOutcomeError(error) : error, name);
          }
          // Contending writers that pause alike would meet again.
          await sleep(50 * 2 ** attempt * (0.5 + Math.random()));
          countRetry(nameOf(statements));
        }
      }
    });
  }

  /** Prepares every statement of the registry, so that no request pays for it or waits on a slow node. */
  async prepareAll(): Promise<void> {
    const profiles = this.client as unknown as {
      profileManager: {
        getDefaultLoadBalancing(): Parameters<typeof PrepareHandler.getPrepared>[1];
      };
    };
    const policy = profiles.profileManager.getDefaultLoadBalancing();
    await inParallel(allQueries(), PREPARED_AT_ONCE, (query) =>
      this.attempt(query.name, async () => {
        await PrepareHandler.getPrepared(this.client, policy, query.cql, this.keyspace);
      }),
    );
  }

  /**
   * Runs `work` as the only process of the cluster that does it.
   * @throws LeaseLostError at once when another process holds the lease
   */
  async underLease(name: string, work: (lease: Lease) => Promise<void>): Promise<void> {
    await Lease.hold(this.client, name, 0, work);
  }

  // Not onModuleDestroy: that runs before the requests in flight have finished.
  async onApplicationShutdown(): Promise<void> {
    this.unwatch();
    await Promise.all(this.background);
    await this.client.shutdown();
  }

  private async sendConditional(statements: Statement[]): Promise<LwtResult> {
    const options = { prepare: true, isIdempotent: false, executionProfile: 'cas' } as const;
    const [only, ...others] = statements;
    const result: types.ResultSet =
      only && others.length === 0
        ? await this.client.execute(only.query.cql, only.params, options)
        : await this.client.batch(toDriver(statements), { ...options, logged: true });
    return { applied: result.wasApplied(), current: result.first() };
  }

  /** Failures are counted by what the driver says of them, before they become answers. */
  private measuredAttempt<T>(
    statement: string,
    kind: StatementKind,
    work: () => Promise<T>,
  ): Promise<T> {
    return this.attempt(statement, () => inTurn(statement, kind, work));
  }

  private async attempt<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await withDeadline(OPERATION_LIMIT_MS, work);
    } catch (error) {
      throw toAppError(error, name);
    }
  }
}

/** Sends one statement or one batch with the others of this turn, and takes its time. */
function inTurn<T>(statement: string, kind: StatementKind, send: () => Promise<T>): Promise<T> {
  return measured(statement, kind, () => endOfTurn().then(send));
}

/** What a batch goes by in the figures: all of its names would be too many different ones. */
function nameOf(statements: Statement[]): string {
  return statements[0]?.query.name ?? 'none';
}

function toDriver(statements: Statement[]): { query: string; params: Params }[] {
  return statements.map(({ query, params }) => ({ query: query.cql, params }));
}
