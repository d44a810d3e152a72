import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './common.mts';
import { isMarkAlive, ownMark } from './processes.mts';

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Like a plain link, but false where the name is taken. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes the lock at once or not at all: a link appears together with what is in the file. */
function tryLock(lock: string): boolean {
  const own = `${lock}.${String(process.pid)}`;
  writeFileSync(own, ownMark());
  const taken = tryLink(own, lock);
  rmSync(own);
  return taken;
}

function breakDeadLock(lock: string): void {
  const mark = read(lock);
  if (mark === '' || isMarkAlive(mark)) return;
  const aside = `${lock}.dead.${String(process.pid)}`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  // Another process may have broken the dead one and taken the lock since it was read.
  if (read(aside) !== mark) tryLink(aside, lock);
  rmSync(aside);
}

/** One process at a time starts or stops the cluster in `folder`; the others wait. */
export async function withLock<T>(
  folder: string,
  { log, signal }: { log: Log; signal?: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  const lock = join(folder, 'lock');
  mkdirSync(folder, { recursive: true });
  for (let tries = 0; !tryLock(lock); tries++) {
    breakDeadLock(lock);
    const [holder = ''] = read(lock).split(' ', 1);
    if (tries === 5) log(`waiting for process ${holder}, which is starting or stopping it`);
    await sleep(200);
    signal?.throwIfAborted();
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

const usersOf = (folder: string) => join(folder, 'users');
const ownUser = (folder: string) => join(usersOf(folder), String(process.pid));

/** Notes that this process uses the cluster in `folder`. */
export function enter(folder: string): void {
  mkdirSync(usersOf(folder), { recursive: true });
  writeFileSync(ownUser(folder), ownMark());
}

/** Takes the note of `enter` back. */
export function leave(folder: string): void {
  rmSync(ownUser(folder), { force: true });
}

/** How many live processes use the cluster; the notes of dead ones are swept away. */
export function countUsers(folder: string): number {
  if (!existsSync(usersOf(folder))) return 0;
  const live = readdirSync(usersOf(folder)).filter((name) => {
    const file = join(usersOf(folder), name);
    if (isMarkAlive(read(file))) return true;
    rmSync(file, { force: true });
    return false;
  });
  return live.length;
}
