import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalCode, STOP_SIGNALS } from './terminal.mts';

/** How a command ended. */
export interface Ending {
  /** Its exit code, or 128 and the number of the signal that ended it. */
  code: number;
  /** Whether it was asked to end. */
  asked: boolean;
}

// A Ctrl-C comes twice under npm, from the terminal and from npm: that is one wish.
const SAME_WISH_MS = 1000;
const STRAGGLERS_MS = 30_000;

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits for what the command has started itself: the server under "nest start", for one. */
async function endGroup(pid: number, asked: boolean): Promise<void> {
  if (!asked) signalGroup(pid, 'SIGTERM');
  const giveUpAt = Date.now() + STRAGGLERS_MS;
  while (signalGroup(pid, 0) && Date.now() < giveUpAt) await sleep(50);
  signalGroup(pid, 'SIGKILL');
}

/**
 * Runs a command to its end. It gets a process group of its own, so that a Ctrl-C reaches it once,
 * from here; a second one kills it.
 */
export async function runChild(
  command: string[],
  variables: Record<string, string>,
): Promise<Ending> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, ...variables },
  });
  const { pid } = child;
  let askedAt = Infinity;
  const forward = (signal: NodeJS.Signals) => {
    const now = Date.now();
    if (pid === undefined || (now >= askedAt && now - askedAt < SAME_WISH_MS)) return;
    signalGroup(pid, askedAt === Infinity ? signal : 'SIGKILL');
    askedAt = Math.min(askedAt, now);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, forward);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => {
        reject(new Error(`${program} could not be started: ${error.message}`));
      });
      child.once('exit', (exitCode, signal) => {
        resolve(exitCode ?? (signal ? signalCode(signal) : 1));
      });
    });
    if (pid !== undefined) await endGroup(pid, askedAt !== Infinity);
    return { code, asked: askedAt !== Infinity };
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, forward);
  }
}
