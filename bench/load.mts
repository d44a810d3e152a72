// Load by autocannon in a process of its own, so that who measures does not wait for who makes it.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type { Side } from './sides.mts';

const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon/autocannon.js');

/** What came of it: good answers a second, and the time of the slowest of a hundred. */
export interface Load {
  rate: number;
  p99: number;
  answers: number;
}

interface Result {
  '2xx': number;
  non2xx: number;
  errors: number;
  duration: number;
  latency: { p99: number };
}

async function load(url: string, args: string[], connections: number, seconds: number) {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...[AUTOCANNON, '--json', '--no-progress'],
    ...['--connections', String(connections), '--duration', String(seconds), ...args, url],
  ]);
  const result = JSON.parse(stdout) as Result;
  if (result.non2xx > 0 || result.errors > 0) {
    const faults = result.non2xx + result.errors;
    console.error(`${String(faults)} of the requests to ${new URL(url).pathname} failed`);
  }
  const answers = result['2xx'];
  return { rate: answers / result.duration, p99: result.latency.p99, answers };
}

/** Reads something again and again on 16 connections. */
export function read({ server, token }: Side, path: string, seconds: number): Promise<Load> {
  const header = ['--header', `authorization=Bearer ${token}`];
  return load(server.url + path, header, 16, seconds);
}

/** Eight clients sign in without a pause. */
export function signInAgain({ server, login }: Side, seconds: number): Promise<Load> {
  const args = [
    ...['--method', 'POST', '--header', 'content-type=application/json'],
    ...['--body', JSON.stringify(login)],
  ];
  return load(`${server.url}/api/auth/login`, args, 8, seconds);
}
