import { Agent, createServer, request as sendRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Like the one before any cluster: it asks for readiness now and then, and tries nothing twice. */
export interface LoadBalancer {
  url: string;
  /** Takes a server in; it gets requests once it is ready. Resolves when it is. */
  add: (port: number) => Promise<void>;
  remove: (port: number) => void;
  /** How many requests each server has been given, by its port. */
  given: ReadonlyMap<number, number>;
  close: () => Promise<void>;
}

interface Target {
  port: number;
  ready: boolean;
}

export async function startLoadBalancer(probeEveryMs: number): Promise<LoadBalancer> {
  const agent = new Agent({ keepAlive: true });
  const targets = new Set<Target>();
  const given = new Map<number, number>();
  let turn = 0;

  const probe = async (target: Target) => {
    target.ready = await fetch(`http://127.0.0.1:${String(target.port)}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  const watch = async (target: Target) => {
    while (targets.has(target)) {
      await probe(target);
      await sleep(probeEveryMs);
    }
  };

  const pass = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const fail = () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    };
    const ready = [...targets].filter((target) => target.ready);
    const target = ready[turn++ % Math.max(1, ready.length)];
    if (!target) {
      fail();
      return;
    }
    given.set(target.port, (given.get(target.port) ?? 0) + 1);
    const { method, url: path, headers } = incoming;
    const passed = sendRequest(
      { agent, host: '127.0.0.1', port: target.port, method, path, headers },
      (answer) => {
        // "Connection" is about the hop behind, not about the one to the client.
        const headers = Object.entries(answer.headers).filter(([name]) => name !== 'connection');
        outgoing.writeHead(answer.statusCode ?? 502, Object.fromEntries(headers));
        answer.on('error', fail).pipe(outgoing);
      },
    );
    passed.on('error', fail);
    incoming.pipe(passed);
  };

  const server = createServer(pass);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    given,
    async add(added) {
      const target = { port: added, ready: false };
      targets.add(target);
      void watch(target);
      while (!target.ready) await sleep(20);
    },
    remove(removed) {
      for (const target of targets) if (target.port === removed) targets.delete(target);
    },
    close: () => {
      targets.clear();
      agent.destroy();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
    },
  };
}
