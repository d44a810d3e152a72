import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const HAS_PROC = existsSync('/proc/self/stat');

function ps(pid: number, column: string): string {
  const result = spawnSync('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return result.status === 0 ? result.stdout.trim() : '';
}

function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** State and start time in /proc/PID/stat; the program's name before them may hold anything. */
export function parseStat(stat: string): { state: string; began: string } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', began: fields[19] ?? '' };
}

function birthOf(pid: number): string {
  if (!HAS_PROC) return ps(pid, 'stat').startsWith('Z') ? '' : ps(pid, 'lstart');
  const { state, began } = parseStat(proc(pid, 'stat'));
  // A zombie is dead, also where nobody collects it: in a container without an init.
  return state === 'Z' || state === 'X' ? '' : began;
}

/** Whether a process with this pid runs. */
export function isAlive(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && birthOf(pid) !== '';
}

/** The command line of a running process; empty when it is dead. */
export function commandOf(pid: number): string {
  if (!isAlive(pid)) return '';
  return HAS_PROC ? proc(pid, 'cmdline').replaceAll('\0', ' ') : ps(pid, 'command');
}

/** What no other process can write, not even a later one that gets the same pid. */
export function ownMark(): string {
  return `${String(process.pid)} ${birthOf(process.pid)}`;
}

/** Whether the process that wrote this mark still runs. */
export function isMarkAlive(mark: string): boolean {
  const [pid = ''] = mark.split(' ', 1);
  return isAlive(Number(pid)) && mark === `${pid} ${birthOf(Number(pid))}`;
}
