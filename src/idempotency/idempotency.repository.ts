import { Injectable } from '@nestjs/common';
import { CassandraService, type Params } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { KeyScope } from './idempotent-request';

interface AttemptRow {
  request_hash: Buffer;
  seed: { toString(): string };
  attempt_id: { toString(): string };
  state: AttemptState;
  started_at: Date;
  status: number | null;
  headers: string | null;
  body: Buffer | null;
}

export type AttemptState = 'running' | 'done' | 'failed';

/** An answer as it is kept: the body is sealed, and null where there was none. */
export interface StoredAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer | null;
}

/** The latest attempt of a request. */
export interface Attempt {
  /** Sealed. */
  requestHash: Buffer;
  seed: string;
  id: string;
  state: AttemptState;
  startedAt: Date;
  /** Of a request that is done. */
  answer: StoredAnswer | null;
}

/** How long an answer is repeated. Cells expire one by one: a write sets all of them. */
const TTL = 'USING TTL 86400';
const KEY = `organization_id = :organization_id AND caller = :caller AND route = :route
  AND idempotency_key = :idempotency_key`;

const find = defineQuery<AttemptRow>(
  'idempotency.find',
  `SELECT request_hash, seed, attempt_id, state, started_at, status, headers, body
   FROM idempotency WHERE ${KEY}`,
);
const insert = defineQuery(
  'idempotency.insert',
  `INSERT INTO idempotency (organization_id, caller, route, idempotency_key, request_hash, seed,
     attempt_id, state, started_at, status, headers, body)
   VALUES (:organization_id, :caller, :route, :idempotency_key, :request_hash, :seed,
     :attempt_id, :state, :started_at, :status, :headers, :body)
   IF NOT EXISTS ${TTL}`,
);
const replace = defineQuery(
  'idempotency.replace',
  `UPDATE idempotency ${TTL} SET request_hash = :request_hash, seed = :seed,
     attempt_id = :attempt_id, state = :state, started_at = :started_at, status = :status,
     headers = :headers, body = :body
   WHERE ${KEY} IF attempt_id = :expected_attempt_id AND state = :expected_state`,
);

@Injectable()
export class IdempotencyRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(scope: KeyScope): Promise<Attempt | undefined> {
    const row = await this.cassandra.first(find, keyOf(scope), { serial: true });
    return row && toAttempt(row);
  }

  /** Enters a first attempt. False: there is one. */
  async insert(scope: KeyScope, attempt: Attempt): Promise<boolean> {
    const params = { ...keyOf(scope), ...valuesOf(attempt) };
    return this.write(insert, params, scope, attempt);
  }

  /** Puts `next` in the place of `current`, if that is still what stands there. */
  async replace(scope: KeyScope, current: Attempt, next: Attempt): Promise<boolean> {
    const expected = { expected_attempt_id: current.id, expected_state: current.state };
    const params = { ...keyOf(scope), ...valuesOf(next), ...expected };
    return this.write(replace, params, scope, next);
  }

  private async write(
    query: typeof insert,
    params: Params,
    scope: KeyScope,
    attempt: Attempt,
  ): Promise<boolean> {
    const isMine = async () => {
      const found = await this.find(scope);
      return found?.id === attempt.id && found.state === attempt.state;
    };
    return (await this.cassandra.lwt([{ query, params }], isMine)).applied;
  }
}

function keyOf({ organizationId, caller, route, key }: KeyScope): Params {
  return { organization_id: organizationId, caller, route, idempotency_key: key };
}

function valuesOf({ requestHash, seed, id, state, startedAt, answer }: Attempt): Params {
  return {
    request_hash: requestHash,
    seed,
    attempt_id: id,
    state,
    started_at: startedAt,
    status: answer?.status ?? null,
    headers: answer && JSON.stringify(answer.headers),
    body: answer?.body ?? null,
  };
}

function toAttempt(row: AttemptRow): Attempt {
  const { status, headers, body } = row;
  return {
    requestHash: row.request_hash,
    seed: row.seed.toString(),
    id: row.attempt_id.toString(),
    state: row.state,
    startedAt: row.started_at,
    answer:
      status === null
        ? null
        : { status, headers: JSON.parse(headers ?? '{}') as Record<string, string>, body },
  };
}
