import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  event: { type: string; data: { id: string; version: number; object: string } };
}

/** An endpoint of a customer, on loopback. */
export class Receiver {
  readonly received: Received[] = [];
  /** Requests whose connection was closed before there was an answer. */
  aborted = 0;
  /** What it answers: a status, or nothing at all. */
  answer: (index: number) => number | undefined = () => 200;
  /** Instead, by what came. */
  answerTo?: (event: Received['event']) => number;
  /** How long it takes to answer. */
  delayMs = 0;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      let body = '';
      response.on('close', () => {
        if (!response.writableEnded) this.aborted++;
      });
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const event = JSON.parse(body) as Received['event'];
        this.received.push({ headers: request.headers, body, event });
        const status = this.answerTo?.(event) ?? this.answer(this.received.length - 1);
        if (status === undefined) return;
        if (status === 302) response.setHeader('Location', '/elsewhere');
        setTimeout(() => response.writeHead(status).end('no business of anybody'), this.delayMs);
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}/hook`;
  }

  /** Other tests kill processes, whose leases end after a minute: that of the sequencer, and then the sender's. */
  async until(count: number, seconds = 150): Promise<void> {
    const giveUpAt = Date.now() + seconds * 1000;
    while (this.received.length < count && Date.now() < giveUpAt) await sleep(50);
    expect(this.received.length).toBeGreaterThanOrEqual(count);
  }

  /** The versions of a record in the order they came in for the first time. */
  versionsOf(id: string): number[] {
    const versions = this.received
      .filter(({ event }) => event.data.id === id)
      .map(({ event }) => event.data.version);
    return [...new Set(versions)];
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
