import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { appendToRunLog } from './run-log';
import { testEnvironment } from './config';

const PROJECT = join(__dirname, '..', '..');

/** A program in a process of its own. */
export interface Running {
  child: ChildProcess;
  /** Both of its outputs so far. */
  output: () => string;
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>;
  /** Resolves once its output matches. */
  until: (pattern: RegExp) => Promise<void>;
}

/** Runs a compiled program (`dist/…`, made by npm run build) against the test database. */
export function runProgram(args: string[], environment: Record<string, string> = {}): Running {
  let output = '';
  const child = spawn(process.execPath, ['--enable-source-maps', ...args], {
    cwd: PROJECT,
    env: { PATH: process.env.PATH ?? '', ...testEnvironment(environment) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // It tells whoever runs it how to sign in.
  const isSeed = args.includes('tools/seed.mts');
  const listeners = new Set<() => void>();
  const take = (chunk: Buffer) => {
    output += chunk.toString();
    if (!isSeed) appendToRunLog(chunk.toString());
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    // Not "exit": the last lines of the output may come after it.
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 0);
    });
  });
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (!pattern.test(output)) return;
        listeners.delete(check);
        resolve();
      };
      listeners.add(check);
      check();
      void ended.then((code) => {
        reject(new Error(`ended with ${String(code)} before ${String(pattern)}:\n${output}`));
      });
    });
  return { child, output: () => output, ended, until };
}

/** A port that nobody listens on, below those that the system gives to connections (from 32768). */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => {
        resolve(false);
      });
      probe.listen(port, () => {
        resolve(true);
      });
    });
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

/** The server as npm start runs it, on a port of its own; another version of it from its own folder. */
export async function startServer(environment: Record<string, string> = {}, folder = '.') {
  const port = await freePort();
  const server = runProgram([join(folder, 'dist', 'main.js')], {
    PORT: String(port),
    ...environment,
  });
  await server.until(/"msg":"ready: /);
  return { ...server, port, url: `http://127.0.0.1:${String(port)}` };
}
