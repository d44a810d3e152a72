import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Runs a command to its end and returns its exit code. It gets a process group of its own, so that
 * a Ctrl-C reaches it once, from here; a second one kills it.
 */
export function runChild(command: string[], variables: Record<string, string>): Promise<number> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, ...variables },
  });
  let asked = false;
  const forward = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, asked ? 'SIGKILL' : signal);
    } catch {
      // It has just ended.
    }
    asked = true;
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new Error(`${program} could not be started: ${error.message}`));
    });
    child.once('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      // A server that was asked to end and did is no failure.
      resolve(code ?? (asked ? 0 : 128 + (signal ? constants.signals[signal] : 0)));
    });
  });
}
