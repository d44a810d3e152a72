import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';

/** What else Node does on threads of its pool: names of hosts, files, compressing. */
const OTHER_THREADS = 4;
const TASKS = '/proc/self/task';

/**
 * Makes Node's pool large enough for that many hashes at a time beside all else. To be called before
 * anything uses the pool: it starts once, with all of its threads.
 */
export function sizeThreadPool(hashThreads: number): void {
  process.env.UV_THREADPOOL_SIZE ??= String(hashThreads + OTHER_THREADS);
}

/**
 * Has the threads of the pool yield the processor to the event loop whenever it wants it. Only Linux
 * counts priorities by thread; elsewhere this does nothing.
 */
export function lowerThreadPool(): void {
  if (process.platform !== 'linux') return;
  for (const id of readdirSync(TASKS)) {
    if (nameOf(id) === 'libuv-worker') {
      os.setPriority(Number(id), os.constants.priority.PRIORITY_LOW);
    }
  }
}

function nameOf(thread: string): string | undefined {
  try {
    return readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trim();
  } catch {
    return undefined; // It has ended meanwhile.
  }
}
