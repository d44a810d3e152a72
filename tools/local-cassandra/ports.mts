import { connect, createServer, type Server } from 'node:net';

function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      resolve(server);
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** Ports that are free now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  // All are held until the last is found, or the same port could come up twice.
  while (servers.length < count) servers.push(await listen('0.0.0.0', 0));
  const ports = servers.map(portOf);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** True when something accepts connections there. */
export function isPortOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => {
      end(true);
    });
    socket.once('timeout', () => {
      end(false);
    });
    socket.once('error', () => {
      end(false);
    });
  });
}

/** The code of what keeps a program from listening there, EADDRINUSE for one; else undefined. */
export async function listenFault(host: string, port: number): Promise<string | undefined> {
  try {
    const server = await listen(host, port);
    await new Promise((resolve) => server.close(resolve));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
  // macOS lets a program listen on one address while another one has the port on all of them.
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return port > 0 && (await isPortOpen(reachable, port)) ? 'EADDRINUSE' : undefined;
}
