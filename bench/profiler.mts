// V8's profiler in another process, by its inspector: exactly while the load lasts.
import { setTimeout as sleep } from 'node:timers/promises';

interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
}

export interface Profile {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

/** `owner`: the innermost function of the server's own that it was spent below, whatever that called. */
export type Attribution = 'package' | 'owner' | 'function';

/** Twice as often as by default: a request is made of many short functions. */
const INTERVAL_US = 500;

export class Profiler {
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, (result: unknown) => void>();
  private serial = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown };
      if (id !== undefined) this.waiting.get(id)?.(result);
    });
  }

  /** To a process that listens for an inspector on a port of this machine. */
  static async attach(port: number): Promise<Profiler> {
    const response = await fetch(`http://127.0.0.1:${String(port)}/json/list`);
    const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
    if (!target) throw new Error('There is nothing to profile');
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', reject, { once: true });
    });
    return new Profiler(socket);
  }

  async start(): Promise<void> {
    await this.call('Profiler.enable');
    await this.call('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await this.call('Profiler.start');
  }

  async stop(): Promise<Profile> {
    const { profile } = (await this.call('Profiler.stop')) as { profile: Profile };
    this.socket.close();
    // The process ends its session when it gets to it.
    await sleep(200);
    return profile;
  }

  private call(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.serial;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

/** Self time in microseconds, by what it was spent in. */
export function attribute({ nodes, samples, timeDeltas }: Profile, by: Attribution) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parents = new Map(
    nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  );
  const ownerOf = (id: number | undefined): string => {
    const frame = id === undefined ? undefined : frames.get(id);
    if (!frame) return 'nothing of its own';
    return isOwn(frame) ? functionOf(frame) : ownerOf(parents.get(id ?? 0));
  };
  const times = new Map<string, number>();
  samples.forEach((id, index) => {
    const frame = frames.get(id);
    if (!frame) return;
    const special = frame.functionName.startsWith('(') && frame.url === '';
    const names = { package: packageOf, owner: () => ownerOf(id), function: functionOf };
    const name = special ? frame.functionName : names[by](frame);
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  });
  return times;
}

const isOwn = ({ url }: CallFrame) => url.startsWith('file:') && !url.includes('/node_modules/');

/** A package, a module of Node's, or a folder of the project's own. */
function packageOf({ url }: CallFrame): string {
  const inPackages = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (inPackages) return inPackages;
  if (url.startsWith('node:')) return url.split('/').slice(0, 2).join('/');
  const own = /\/dist\/([^/]+)/.exec(url)?.[1];
  if (own) return `src/${own.replace(/\.js$/, '')}`;
  if (url === '') return 'native code';
  return "the peer's own";
}

function functionOf(frame: CallFrame): string {
  const file = frame.url.split('/').slice(-2).join('/');
  const place = file === '' ? '' : ` ${file}:${String(frame.lineNumber + 1)}`;
  return `${frame.functionName || '(anonymous)'}${place}`;
}
