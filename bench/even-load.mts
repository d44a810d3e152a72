// Lists of contacts at an even pace, whatever the answers take, in a thread of its own where that is wanted.
// Clients that send all they may at the beginning of a second would be their own noise.
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const agent = new Agent({ keepAlive: true });
/** Few enough for the queue of a socket that listens: who is dropped from it is back only a second later. */
const SOCKETS = 64;

export const PATH = '/api/v1/contacts?limit=50';

export interface EvenLoad {
  url: string;
  /** Of those who ask, in turn. */
  tokens: string[];
  perSecond: number;
  seconds: number;
  /** At most, SOCKETS unless told. Each is opened when a request finds no other free. */
  sockets?: number;
}

export interface EvenLoadResult {
  /** Of each request from when it was due, in ms. */
  times: number[];
  good: number;
  /** Of these, what had its answer before the time was over. */
  goodInTime: number;
  turnedAway: number;
}

export async function readEvenly(load: EvenLoad): Promise<EvenLoadResult> {
  const { url, tokens, perSecond, seconds, sockets = SOCKETS } = load;
  agent.maxSockets = sockets;
  const times: number[] = [];
  let [good, goodInTime] = [0, 0];
  const read = (token: string, due: number) =>
    new Promise<void>((resolve, reject) => {
      const options = { agent, headers: { authorization: `Bearer ${token}` } };
      const request = get(`${url}${PATH}`, options, (response) => {
        response.resume().once('end', () => {
          times.push(performance.now() - due);
          if (response.statusCode === 200) {
            good += 1;
            if (performance.now() < began + seconds * 1000) goodInTime += 1;
          }
          resolve();
        });
      });
      request.once('error', reject);
    });
  const reads: Promise<void>[] = [];
  const began = performance.now();
  for (let count = 0; count < perSecond * seconds; count++) {
    const due = began + (count * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await sleep(early);
    reads.push(read(tokens[count % tokens.length] ?? '', due));
  }
  await Promise.all(reads);
  return { times, good, goodInTime, turnedAway: times.length - good };
}

/** The same in a thread of its own. */
export function readElsewhere(load: EvenLoad): Promise<EvenLoadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: load });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

if (!isMainThread) {
  parentPort?.postMessage(await readEvenly(workerData as EvenLoad));
  agent.destroy();
}
