import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A door in front of the database that can be shut. */
export interface TcpProxy {
  port: number;
  /** Cuts every connection and refuses new ones. */
  cut: () => void;
  restore: () => void;
  /** From now on every answer of the database takes this much longer. */
  delayAnswers: (milliseconds: number) => void;
  close: () => Promise<void>;
}

export async function startProxy(host: string, port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let delay = 0;
  const server = createServer((inside) => {
    const outside = connect(port, host);
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(one);
      one.on('data', (chunk: Buffer) => {
        if (one === inside || delay === 0) other.write(chunk);
        else setTimeout(() => other.write(chunk), delay);
      });
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  const listen = (at: number) =>
    new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
  await listen(0);
  const { port: own } = server.address() as AddressInfo;
  // To accept a connection and then to drop it would leave the driver waiting for its greeting,
  // for seconds after its end.
  const cut = () => {
    if (server.listening) server.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: own,
    cut,
    restore: () => {
      void listen(own);
    },
    delayAnswers: (milliseconds) => {
      delay = milliseconds;
    },
    close: () =>
      new Promise((resolve) => {
        if (server.listening) {
          server.close(() => {
            resolve();
          });
          cut();
        } else {
          resolve();
        }
      }),
  };
}
