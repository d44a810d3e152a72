import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const RETRIES = 2;
/** A client waits for an answer that is under way, as it is told to, for a minute at most. */
const WAIT_MS = 60_000;
const WRITERS = 4;

interface Answer {
  data: { id: string; version: number; title: string | null };
}

/** A version of a contact that the server has acknowledged. */
export interface Acknowledged {
  version: number;
  title: string | null;
}

/** Clients that create and change contacts without a pause, and remember what was acknowledged. */
export class Writers {
  /** By the id of the contact: the latest one. */
  readonly acknowledged = new Map<string, Acknowledged>();
  readonly counts = { ok: 0, retried: 0, failed: 0 };
  readonly faults: string[] = [];
  private readonly url: string;
  private readonly token: string;
  private isStopping = false;
  private readonly running: Promise<void>[];

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
    this.running = Array.from({ length: WRITERS }, () => this.write());
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.running);
  }

  /** Each contact belongs to one writer: what it knows of it is the latest that there is. */
  private async write(): Promise<void> {
    const own: string[] = [];
    for (let round = 0; !this.isStopping; round++) {
      const id = round % 3 === 0 ? undefined : own.at(Math.floor(Math.random() * own.length));
      const title = `Round ${String(round)} ${randomUUID()}`;
      const answer =
        id === undefined
          ? await this.send('POST', '/api/v1/contacts', { last_name: 'Runbook', title })
          : await this.send('PATCH', `/api/v1/contacts/${id}`, { title });
      if (answer) {
        this.acknowledged.set(answer.data.id, answer.data);
        if (id === undefined) own.push(answer.data.id);
      }
      await sleep(50);
    }
  }

  private async send(method: string, path: string, body: object): Promise<Answer | undefined> {
    const key = randomUUID();
    const until = Date.now() + WAIT_MS;
    let attempt = 0;
    for (;;) {
      const response = await fetch(this.url + path, {
        method,
        headers: {
          authorization: `Bearer ${this.token}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify(body),
      }).catch((error: unknown) => error as Error);
      if (response instanceof Response && response.ok) {
        this.counts.ok += 1;
        return (await response.json()) as Answer;
      }
      const fault = response instanceof Response ? await response.text() : response.message;
      const isUnderWay = fault.includes('IDEMPOTENCY_IN_PROGRESS') && Date.now() < until;
      if (!isUnderWay && attempt++ === RETRIES) {
        this.counts.failed += 1;
        this.faults.push(fault);
        return undefined;
      }
      this.counts.retried += 1;
      await sleep(1000);
    }
  }
}
