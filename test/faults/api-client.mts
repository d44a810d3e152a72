import { setTimeout as sleep } from 'node:timers/promises';
import type { Ended, History, Operation, Outcome, Sent } from './history.mts';
import type { Random } from './random.mts';

/** Who is asking. */
export interface Account {
  id: string;
  organization: string;
  token: string;
}

export interface Request {
  workload: string;
  kind: string;
  method: Sent['method'];
  path: string;
  body?: Record<string, unknown>;
  /** Sent instead of the body, which is for the log then. */
  form?: FormData;
  key?: string;
  version?: number;
  marker?: string;
  account?: Account;
  /** Of the organization in the log, where nobody is signed in. */
  organization?: string;
}

interface Attempt {
  outcome: Outcome;
  status: number | null;
  code: string | null;
  data: unknown;
  retryAfterMs: number | null;
  label: string;
}

/** The code of an operation that no server would take. */
const REFUSED = 'CONNECTION_REFUSED';
const ATTEMPTS = 3;
const ANSWER_LIMIT_MS = 20_000;
const PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 12_000;

/**
 * A client as it should be: it tries at most three times in all, honours Retry-After, goes to another
 * server after a fault, and sends again only what it may.
 */
export class ApiClient {
  readonly name: string;
  readonly random: Random;
  /** Keyed operations whose end is not known: they can be sent again. */
  readonly open: Request[] = [];
  private readonly history: History;
  private readonly urls: () => string[];
  private turn: number;

  constructor(name: string, history: History, urls: () => string[], random: Random) {
    this.name = name;
    this.history = history;
    this.urls = urls;
    this.random = random;
    this.turn = random.below(100);
  }

  /** Sends an operation, with what it takes of retries; never throws. */
  async send(request: Request): Promise<Operation> {
    const { account, workload, kind, method, path, body = null, key = null } = request;
    const operation = this.history.invoke({
      client: this.name,
      organization: account?.organization ?? request.organization ?? '',
      workload,
      kind,
      marker: request.marker ?? null,
      sent: { method, path, body: redacted(body), key, version: request.version ?? null },
    });
    this.history.end(operation, await this.attempts(request));
    if (operation.outcome === 'unknown' && request.key !== undefined) this.open.push(request);
    return operation;
  }

  private async attempts(request: Request): Promise<Ended> {
    const mayRepeat = request.method === 'GET' || request.key !== undefined;
    const tries: string[] = [];
    let doubtful = false;
    for (;;) {
      const { retryAfterMs, label, ...attempt } = await this.attempt(request);
      tries.push(label);
      doubtful ||= attempt.outcome === 'unknown';
      const isRepeated = retryAfterMs !== null || attempt.outcome === 'unknown';
      const isFree = mayRepeat || attempt.code === REFUSED;
      if (!isFree || !isRepeated || tries.length === ATTEMPTS) {
        // A refusal that speaks of the moment says nothing of an attempt before it.
        const outcome = isRepeated && doubtful ? 'unknown' : attempt.outcome;
        return { ...attempt, outcome, attempts: tries.length, tries };
      }
      this.turn++;
      const jitter = PAUSE_MS * (0.5 + this.random.next());
      await sleep(Math.min(LONGEST_PAUSE_MS, retryAfterMs ?? 0) + jitter);
    }
  }

  private async attempt(request: Request): Promise<Attempt> {
    const { method, path, body, form, key, version, account } = request;
    const urls = this.urls();
    const url = urls[this.turn % urls.length] ?? '';
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(account ? { authorization: `Bearer ${account.token}` } : {}),
          ...(body && !form ? { 'content-type': 'application/json' } : {}),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...(version === undefined ? {} : { 'if-match': `"${String(version)}"` }),
        },
        body: form ?? (body ? JSON.stringify(body) : undefined),
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      const text = await response.text();
      return judge(response, text === '' ? null : (JSON.parse(text) as Envelope));
    } catch (error) {
      return withoutAnswer(error);
    }
  }
}

function withoutAnswer(error: unknown): Attempt {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  const none = { status: null, code: null, data: null };
  // Nothing was sent: it can be sent elsewhere, whatever it is.
  if (cause?.code === 'ECONNREFUSED') {
    return { ...none, outcome: 'fail', code: REFUSED, retryAfterMs: 0, label: 'refused' };
  }
  const label = name === 'TimeoutError' ? 'timeout' : 'socket';
  return { ...none, outcome: 'unknown', retryAfterMs: null, label };
}

interface Envelope {
  data?: unknown;
  code?: string;
  details?: unknown;
  meta?: { next_cursor: string | null };
}

function judge({ status, headers }: Response, envelope: Envelope | null): Attempt {
  const seconds = headers.get('retry-after');
  const isGood = status < 400;
  return {
    outcome: isGood ? 'ok' : status >= 500 ? 'unknown' : 'fail',
    status,
    code: envelope?.code ?? null,
    data: isGood ? (envelope?.data ?? null) : (envelope?.details ?? null),
    retryAfterMs: seconds === null ? null : Number(seconds) * 1000,
    label: isGood ? String(status) : `${String(status)} ${envelope?.code ?? ''}`,
  };
}

function redacted(body: Record<string, unknown> | null): Record<string, unknown> | null {
  if (!body) return null;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !/password/.test(name)));
}
