import { setTimeout as sleep } from 'node:timers/promises';
import { type AddressInfo } from 'node:net';
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import express, { type Response } from 'express';
import { ExportSlots, EXPORTS_AT_ONCE } from './export-slots.service';
import { sendStreamed } from './streamed-answer';

const CHUNK = 'x'.repeat(64 * 1024);

describe('a streamed answer', () => {
  let server: Server;
  let chunks: AsyncGenerator<string>;
  let outcome: Promise<boolean>;

  beforeEach(async () => {
    const app = express();
    app.get('/', (_request, response: Response) => {
      outcome = sendStreamed(response, { contentType: 'text/csv', name: 'x.csv', chunks });
      outcome.catch(() => response.destroy());
    });
    server = createServer(app).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      get({ port, host: '127.0.0.1', path: '/' }, resolve).on('error', reject);
    });
  const textOf = async (answer: IncomingMessage) => {
    let text = '';
    for await (const part of answer) text += String(part);
    return text;
  };

  it('arrives whole, without a length, as a file', async () => {
    chunks = repeated(3);
    const answer = await open();
    expect(answer.headers['content-length']).toBeUndefined();
    expect(answer.headers['content-disposition']).toBe('attachment; filename="x.csv"');
    expect(await textOf(answer)).toBe(CHUNK.repeat(3));
    expect(await outcome).toBe(true);
  });

  it('breaks off where making it fails half way', async () => {
    chunks = failing();
    const answer = await open();
    await expect(textOf(answer)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(outcome).rejects.toThrow('no more');
  });

  it('makes no more than fits on the way while nobody reads, and stops when he goes', async () => {
    let made = 0;
    let stopped = false;
    chunks = (async function* () {
      try {
        for (;;) {
          made++;
          yield CHUNK;
          await sleep(0);
        }
      } finally {
        stopped = true;
      }
    })();
    const answer = await open();
    await sleep(500);
    const before = made;
    await sleep(500);
    expect(made).toBe(before);
    // The buffers of both ends: some megabytes.
    expect(made * CHUNK.length).toBeLessThan(64 * 1024 * 1024);
    answer.destroy();
    expect(await outcome).toBe(false);
    expect(stopped).toBe(true);
  });
});

describe('the exports of an organization', () => {
  it('are so many at a time, whatever others do', async () => {
    const slots = new ExportSlots();
    let end: () => void = () => undefined;
    const wait = new Promise<void>((resolve) => (end = resolve));
    const running = Array.from({ length: EXPORTS_AT_ONCE }, () => slots.within('a', () => wait));
    await expect(slots.within('a', () => wait)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await slots.within('b', () => Promise.resolve());
    end();
    await Promise.all(running);
    await slots.within('a', () => Promise.resolve());
  });
});

async function* repeated(times: number): AsyncGenerator<string> {
  for (let index = 0; index < times; index++) yield await Promise.resolve(CHUNK);
}

async function* failing(): AsyncGenerator<string> {
  yield await Promise.resolve(CHUNK);
  throw new Error('no more');
}
