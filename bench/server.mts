// What every benchmark needs: a server of its own, and percentiles.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NODE_ARGS } from '../tools/node-args.mts';

export const PROJECT = join(dirname(fileURLToPath(import.meta.url)), '..');
const OURS = join(PROJECT, 'dist', 'main.js');

const START_LIMIT_MS = 60_000;

/** A server as npm run build has made it, without limits and with little to log. */
export interface Server {
  url: string;
  child: ChildProcess;
  /** From the start of the process until it was ready for requests. */
  readyMs: number;
  stop: () => Promise<void>;
}

export async function startServer(
  variables: Record<string, string>,
  nodeArgs: string[] = [],
  stdout: 'inherit' | 'ignore' = 'inherit',
  program = OURS,
): Promise<Server> {
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  const ownArgs = program === OURS ? NODE_ARGS : [];
  const began = performance.now();
  const child = spawn(process.execPath, [...ownArgs, ...nodeArgs, program], {
    env: {
      ...process.env,
      NODE_ENV: 'test',
      RATE_LIMITS: 'off',
      PORT: String(port),
      JWT_SECRET: randomBytes(48).toString('base64'),
      LOG_LEVEL: 'warn',
      LOG_FORMAT: 'json',
      ...variables,
    },
    stdio: ['ignore', stdout, 'inherit'],
  });
  const url = `http://127.0.0.1:${String(port)}`;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  while (performance.now() - began < START_LIMIT_MS && child.exitCode === null) {
    const up = await fetch(`${url}/health/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return { url, child, readyMs: performance.now() - began, stop };
    await sleep(25);
  }
  await stop();
  throw new Error('The server does not come up');
}

/** Memory of a process that is in use right now, in MB. */
export function residentMb({ child }: Server): number {
  const status = readFileSync(`/proc/${String(child.pid)}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** The value that a share of all is not above, e.g. 0.95; 0 where there is none. */
export function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
