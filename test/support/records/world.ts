import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'cassandra-driver';
import { v4 as randomId, v7 as timeOrderedId } from 'uuid';
import { CassandraService } from '../../../src/cassandra/cassandra.service';
import { connect } from '../../../src/cassandra/connect';
import { AppError } from '../../../src/common/errors';
import { derivedId } from '../../../src/common/operation';
import type { Principal } from '../../../src/common/principal';
import { requestContext, withOperation } from '../../../src/common/request-context';
import type { AppConfig } from '../../../src/config/app-config';
import type { Body } from '../../../src/records/record-input.service';
import type { StoredRecord } from '../../../src/records/record';
import { newOrganizationId } from '../api';
import { TEST_KEYSPACE, testConfig } from '../config';
import { Crash, type Fault, FaultyCassandra } from './faulty-cassandra';
import { buildStore, type Parts, type RecordStore } from './store';
import { sweepOrganization } from './sweep';
import { findInvisible, findOutdated } from './visible';

/** Short enough that a stall of a moment outlives it. */
export const LEASE_MS = 40;
const SOURCE = 'erp';
const REQUEST_MS = 30_000;

export type ObjectKind = 'contacts' | 'companies';

/** What a write sets, as numbers of the few values there are. Left out: it stays. */
export interface Values {
  uniques?: number[];
  tags?: number[];
  /** Null: none. */
  company?: number | null;
  external?: number | null;
  isMine?: boolean;
}

export type Action =
  | { kind: 'create' | 'patch'; object: ObjectKind; slot: number; values: Values }
  | { kind: 'delete' | 'restore'; object: ObjectKind; slot: number }
  | { kind: 'merge'; object: ObjectKind; slot: number; losers: number[] }
  | { kind: 'upsert'; object: ObjectKind; key: number; values: Values };

/** An operation of a client, and what befalls it. */
export interface Command {
  writer: number;
  action: Action;
  /** Milliseconds it waits before it begins. */
  pause?: number;
  faults?: Fault[];
  /** The client sends it again: when it has got no answer, or without waiting for one. */
  repeat?: 'after' | 'during';
  /** The sweeper comes as soon as it has ended, and not only at the end of all. */
  swept?: boolean;
}

/** One attempt of an operation, as its client sees it. */
export interface Attempt {
  seed: string;
  command: Command;
  outcome: 'done' | 'refused' | 'unknown';
  record?: StoredRecord;
  error?: unknown;
  crashed: boolean;
}

/** The mark of what an operation has written. */
export const operationOf = (seed: string) => derivedId(seed, 'operation');

/** A database connection for each writer, as every process has its own. */
export async function connectWriters(count: number): Promise<Client[]> {
  const { cassandra } = testConfig();
  return Promise.all(
    Array.from({ length: count }, () => connect(cassandra, TEST_KEYSPACE, () => undefined)),
  );
}

/** One organization, those who write to it at once, and what they were told. */
export class World {
  readonly organizationId = newOrganizationId();
  readonly attempts: Attempt[] = [];
  /**
   * What was not to be seen right after its acknowledgement, or in an older version than it had, and
   * errors that are nobody's answer.
   */
  readonly complaints: string[] = [];
  readonly startedAt = new Date();
  /** A process that has no part in the writing. */
  readonly store: RecordStore;
  private readonly ids = new Map<string, string>();
  private readonly callers: Principal[];
  private readonly config: AppConfig;
  private readonly settled: CassandraService;

  constructor(
    private readonly clients: readonly Client[],
    private readonly parts: Parts = {},
  ) {
    const config = testConfig();
    this.config = { ...config, auth: { ...config.auth, claimLeaseMs: LEASE_MS } };
    const [client] = clients;
    if (!client) throw new Error('A world needs a connection');
    this.settled = new CassandraService(client, TEST_KEYSPACE);
    this.store = buildStore(this.settled, this.config);
    this.callers = clients.map(() => this.newCaller());
  }

  get reader(): Principal {
    return this.callerOf(0);
  }

  idOf(object: ObjectKind, slot: number): string {
    const name = `${object}/${String(slot)}`;
    const id = this.ids.get(name) ?? timeOrderedId();
    this.ids.set(name, id);
    return id;
  }

  /** Does a command to its end, with its repetition, and keeps what its client was told. */
  async run(command: Command): Promise<Attempt> {
    await sleep(command.pause ?? 0);
    const seed = timeOrderedId();
    const first = this.attempt(seed, command, false);
    const isRepeatedAtOnce = command.repeat === 'during';
    const second = isRepeatedAtOnce ? this.attempt(seed, { ...command, faults: [] }, true) : null;
    let attempt = await first;
    await second;
    if (attempt.outcome === 'unknown' && command.repeat === 'after') {
      attempt = await this.attempt(seed, { ...command, faults: [] }, true);
    }
    return attempt;
  }

  /** Finishes what was left undone, as the sweeper does when the longest request has ended. */
  async sweep(faults: Fault[] = []): Promise<void> {
    await sleep(LEASE_MS + 10);
    if (faults.length > 0) await this.sweepOnce(faults);
    await this.sweepOnce();
  }

  /** Finishes at once what can be, and complains of what cannot. */
  async sweepOnce(faults: Fault[] = [], ids?: ReadonlySet<string>): Promise<void> {
    const cassandra = new FaultyCassandra(this.client(0), TEST_KEYSPACE, faults);
    const place = { organizationId: this.organizationId, since: this.startedAt, ids };
    const complaints = await sweepOrganization(this.client(0), cassandra, this.config, place);
    await cassandra.idle();
    this.complaints.push(...complaints);
  }

  private async attempt(seed: string, command: Command, replay: boolean): Promise<Attempt> {
    const writer = replay ? command.writer + 1 : command.writer;
    const client = this.client(writer);
    const cassandra = new FaultyCassandra(client, TEST_KEYSPACE, command.faults ?? []);
    const store = buildStore(cassandra, this.config, this.parts);
    const attempt: Attempt = { seed, command, outcome: 'unknown', crashed: false };
    try {
      attempt.record = await inRequest({ seed, replay }, () =>
        this.act(store, this.callerOf(command.writer), command.action, seed),
      );
      attempt.outcome = 'done';
    } catch (error) {
      attempt.error = error;
      if (error instanceof AppError && error.status < 500) attempt.outcome = 'refused';
      else if (!(error instanceof Crash) && !isUnavailable(error)) {
        this.complaints.push(`${describe(command)} failed with ${String(error)}`);
      }
    }
    await cassandra.idle();
    attempt.crashed = cassandra.crashed;
    this.attempts.push(attempt);
    const outdated = await findOutdated(this.store, this.reader, command.action.object);
    this.complaints.push(...outdated.map((one) => `after ${describe(command)}: ${one}`));
    const { record } = attempt;
    if (record?.operationId === operationOf(seed) && !attempt.crashed) {
      const unseen = await findInvisible(this.store, this.reader, record);
      this.complaints.push(...unseen.map((one) => `${describe(command)}: ${one}`));
    }
    if (command.swept) {
      await sleep(LEASE_MS + 10);
      // Its own intents only: those of others are still under way.
      await this.sweepOnce([], cassandra.intents);
    }
    return attempt;
  }

  private async act(
    store: RecordStore,
    caller: Principal,
    action: Action,
    seed: string,
  ): Promise<StoredRecord | undefined> {
    const service = store[action.object];
    switch (action.kind) {
      case 'create': {
        const body = this.body(action.object, action.values, seed, caller);
        const id = this.idOf(action.object, action.slot);
        return service.create(caller, { ...named(action.object), ...body, id });
      }
      case 'patch': {
        const body = this.body(action.object, action.values, seed, caller);
        return service.patch(caller, this.idOf(action.object, action.slot), body);
      }
      case 'delete': {
        const id = this.idOf(action.object, action.slot);
        await service.remove(caller, id);
        const { organizationId } = this;
        return this.store.records.find({ organizationId, object: action.object, id }, true);
      }
      case 'restore':
        return service.restore(caller, this.idOf(action.object, action.slot));
      case 'merge': {
        const losers = action.losers.map((slot) => this.idOf(action.object, slot));
        return service.merge(caller, this.idOf(action.object, action.slot), losers);
      }
      case 'upsert': {
        const body = this.body(action.object, action.values, seed, caller);
        const whole = { ...named(action.object), ...body };
        const key = `key${String(action.key)}`;
        return (await service.putExternal(caller, SOURCE, key, whole)).record;
      }
    }
  }

  /** What a client sends. Every write sets something of its own, so that each makes a version. */
  private body(object: ObjectKind, values: Values, seed: string, caller: Principal): Body {
    const { uniques, tags, company, external, isMine } = values;
    const isContact = object === 'contacts';
    const unique = isContact
      ? {
          emails: uniques?.map((n) => ({
            value: `one${String(n)}@example.com`,
            label: null,
            primary: false,
          })),
        }
      : { domains: uniques?.map((n) => `one${String(n)}.example`) };
    const body: Record<string, unknown> = {
      ...unique,
      tags: tags?.map((n) => `tag${String(n)}`),
      ...(isContact && company !== undefined
        ? { company_id: company === null ? null : this.idOf('companies', company) }
        : {}),
      external_ids: externalIds(external),
      ...(isMine === undefined ? {} : { owner_id: isMine ? caller.userId : null }),
      ...(isContact ? { title: seed } : { industry: seed }),
    };
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
  }

  private client(writer: number): Client {
    const client = this.clients[writer % this.clients.length];
    if (!client) throw new Error('No such writer');
    return client;
  }

  private callerOf(writer: number): Principal {
    const caller = this.callers[writer % this.callers.length];
    if (!caller) throw new Error('No such writer');
    return caller;
  }

  private newCaller(): Principal {
    return { userId: randomId(), organizationId: this.organizationId, role: 'admin' };
  }
}

const named = (object: ObjectKind) =>
  object === 'contacts' ? { last_name: 'Nemo' } : { name: 'Nautilus' };

/** A number in a merge patch: null takes away what is there. */
function externalIds(key: number | null | undefined) {
  if (key === undefined) return undefined;
  return { [SOURCE]: key === null ? null : `key${String(key)}` };
}

/** Does work as the handler of a request does it, that is an attempt of an operation. */
function inRequest<T>(
  operation: { seed: string; replay: boolean },
  work: () => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const next = () => {
      withOperation(operation, work).then(resolve, reject);
    };
    const request = { id: operation.seed, ip: '127.0.0.1' };
    const handler = requestContext(REQUEST_MS) as unknown as (
      request: { id: string; ip: string },
      response: unknown,
      next: () => void,
    ) => void;
    handler(request, undefined, next);
  });
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.status === 503;
}

export function describe({ action, faults = [] }: Command): string {
  const { kind, object } = action;
  const subject = kind === 'upsert' ? `key ${String(action.key)}` : `#${String(action.slot)}`;
  const wounds = faults.map(
    ({ at, when, wait }) => `${wait ? 'stalled' : 'killed'} ${when} ${String(at)}`,
  );
  return [`${kind} ${object} ${subject}`, ...wounds].join(', ');
}
