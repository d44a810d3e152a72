import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT } from '../../tools/local-cassandra/common.mts';
import { listenFault } from '../../tools/local-cassandra/ports.mts';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts';

export const LOGS = join(PROJECT, '.local', 'faults');
const PRELOAD = join(PROJECT, 'test', 'faults', 'preload.cjs');
const START_LIMIT_MS = 60_000;
/** One for the whole run: a server that is started again must know the tokens of before. */
const SECRET = randomBytes(48).toString('base64');

export type Variables = Record<string, string>;

/** What every server of the suite is started with. */
export function environment(variables: Variables): Variables {
  return {
    PATH: process.env.PATH ?? '',
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    MIGRATE_ON_START: 'off',
    RATE_LIMITS: 'off',
    DOCS: 'off',
    BCRYPT_COST: '4',
    JWT_SECRET: SECRET,
    LOG_LEVEL: 'warn',
    SLOW_REQUEST_MS: '20000',
    LOG_FORMAT: 'json',
    ...variables,
  };
}

/** An API process behind a proxy that can be cut; it can be killed and started again. */
export class Server {
  readonly name: string;
  private readonly port: number;
  private readonly door: TcpProxy;
  private readonly variables: Variables;
  private isCut = false;
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();

  private constructor(name: string, port: number, door: TcpProxy, variables: Variables) {
    this.name = name;
    this.port = port;
    this.door = door;
    this.variables = variables;
  }

  static async start(name: string, variables: Variables): Promise<Server> {
    const port = await freePort();
    const server = new Server(name, port, await startProxy('127.0.0.1', port), variables);
    await server.launch();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.door.port)}`;
  }

  /** Starts it, again, and waits until it is ready. */
  async launch(): Promise<void> {
    mkdirSync(LOGS, { recursive: true });
    const child = spawn(process.execPath, ['--require', PRELOAD, join('dist', 'main.js')], {
      cwd: PROJECT,
      env: environment({ PORT: String(this.port), ...this.variables }),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const keep = (chunk: Buffer) => {
      appendFileSync(join(LOGS, `${this.name}.log`), chunk);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        resolve();
      });
    });
    for (const end = Date.now() + START_LIMIT_MS; Date.now() < end;) {
      const up = await fetch(`http://127.0.0.1:${String(this.port)}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (up) {
        this.restore();
        return;
      }
      if (child.exitCode !== null) break;
      await sleep(200);
    }
    await this.kill();
    throw new Error(`${this.name} does not come up; see .local/faults/${this.name}.log`);
  }

  /**
   * Has it die at a statement (`after:records.commit`), or wherever it is when that has not come.
   * @returns whether it came
   */
  async crash(at: string, patienceMs: number): Promise<boolean> {
    this.child?.send(at);
    const came = await Promise.race([this.ended.then(() => true), sleep(patienceMs, false)]);
    await this.kill();
    return came;
  }

  async kill(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.ended;
    // Behind an open door clients would not be told that nobody is there.
    this.cut();
  }

  /** Ends it in order, or by force where that takes too long, and its proxy. */
  async close(): Promise<void> {
    this.child?.kill('SIGTERM');
    await Promise.race([this.ended, sleep(10_000)]);
    await this.kill();
    await this.door.close();
  }

  cut(): void {
    this.door.cut();
    this.isCut = true;
  }

  restore(): void {
    if (this.isCut) this.door.restore();
    this.isCut = false;
  }
}

/** Below those that the system gives to connections: it must still be free after a restart. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if ((await listenFault('127.0.0.1', port)) === undefined) return port;
  }
}

/** Runs a program of the project to its end. */
export async function runProgram(
  args: string[],
  variables: Variables,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, {
    cwd: PROJECT,
    env: environment(variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const take = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}
