import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * ok: it was acknowledged. fail: it was refused for good, and must have no effect. unknown: it may
 * have an effect, now or later.
 */
export type Outcome = 'ok' | 'fail' | 'unknown';

export interface Sent {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  /** Without passwords. */
  body: Record<string, unknown> | null;
  /** Its Idempotency-Key. */
  key: string | null;
  /** The version in its If-Match. */
  version: number | null;
}

export interface Invoked {
  client: string;
  organization: string;
  workload: string;
  /** What it is for the checker, e.g. `increment`. */
  kind: string;
  /** A text that only this operation writes; null where it writes none. */
  marker: string | null;
  sent: Sent;
}

export interface Ended {
  outcome: Outcome;
  /** Of the last attempt; null where there was no answer. */
  status: number | null;
  code: string | null;
  attempts: number;
  /** `data` of the answer, without what is secret. */
  data: unknown;
  /** What the attempts came to, e.g. `["socket", "503", "201"]`. */
  tries: string[];
}

/** An operation with its two lines of the log; times are ms since the log began. */
export interface Operation extends Invoked, Ended {
  id: number;
  invokedAt: number;
  /** Infinity for one whose end nobody has seen. */
  endedAt: number;
}

const PASSING = new Set([
  'CONFLICT',
  'IDEMPOTENCY_IN_PROGRESS',
  'RATE_LIMITED',
  'CONNECTION_REFUSED',
]);

/** A refusal that is about the moment: a client with one more try might not have had it. */
export const isPassing = ({ code }: Operation) => PASSING.has(code ?? '');

const SECRET = /password|token|^key$/;

/** Takes out what must not be in a log, at any depth. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !SECRET.test(name));
  return Object.fromEntries(entries.map(([name, one]) => [name, withoutSecrets(one)]));
}

/** What all clients did: a line of JSON before each operation, and one after it. */
export class History {
  readonly file: string;
  readonly operations: Operation[] = [];
  private readonly descriptor: number;
  private readonly begin = performance.now();

  constructor(file: string) {
    this.file = file;
    mkdirSync(dirname(file), { recursive: true });
    this.descriptor = openSync(file, 'w');
  }

  now(): number {
    return performance.now() - this.begin;
  }

  /** Something that befell the cluster, for whoever reads the log. */
  note(fault: string): void {
    this.write({ at: this.now(), fault });
  }

  /** The line is written before anything is sent. */
  invoke(invoked: Invoked): Operation {
    const id = this.operations.length;
    const invokedAt = this.now();
    this.write({ at: invokedAt, op: id, phase: 'invoke', ...invoked });
    const operation: Operation = {
      ...invoked,
      id,
      invokedAt,
      endedAt: Infinity,
      outcome: 'unknown',
      status: null,
      code: null,
      attempts: 0,
      data: null,
      tries: [],
    };
    this.operations.push(operation);
    return operation;
  }

  end(operation: Operation, ended: Ended): void {
    Object.assign(operation, ended, { data: withoutSecrets(ended.data), endedAt: this.now() });
    const { outcome, status, code, attempts, data, tries, endedAt } = operation;
    const answered = { status, code, attempts, data, tries };
    this.write({ at: endedAt, op: operation.id, phase: outcome, ...answered });
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private write(line: object): void {
    writeSync(this.descriptor, `${JSON.stringify(line)}\n`);
  }
}
