// A server that answers everything with nothing, in a thread of its own: where the load goes that is to
// cost the machine what it costs, and the server that is measured nothing.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

export async function startNullServer(): Promise<{ url: string; stop: () => Promise<void> }> {
  const worker = new Worker(new URL(import.meta.url));
  const [port] = (await once(worker, 'message')) as [number];
  const stop = async () => {
    await worker.terminate();
  };
  return { url: `http://127.0.0.1:${String(port)}`, stop };
}

if (!isMainThread) {
  // Callers that pause keep their connections, as they do with the server that is measured.
  const server = createServer({ keepAliveTimeout: 0 }, (_request, response) => {
    response.writeHead(503, { 'content-type': 'application/json' }).end('{}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  parentPort?.postMessage((server.address() as AddressInfo).port);
}
