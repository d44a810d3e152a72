// What processes of this machine use, from /proc.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks in a second, on every Linux there is. */
const TICKS = 100;

/** The process that listens on a port of this machine. */
export function processOn(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hex}`) === true && state === '0A')
    .map((fields) => `socket:[${fields[9] ?? ''}]`);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const held = readdirSync(`/proc/${pid}/fd`).map((fd) =>
        readlinkSync(`/proc/${pid}/fd/${fd}`),
      );
      if (held.some((link) => inodes.includes(link))) return Number(pid);
    } catch {
      // Gone, or not ours to look at.
    }
  }
  throw new Error(`Nobody listens on ${String(port)}`);
}

/** The process of the database that a benchmark is given. */
export function databaseProcess(): number {
  return processOn(Number(process.env.CASSANDRA_PORT ?? '9042'));
}

/** The processor time that a process has used, in ms. */
export function cpuMs(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    .split(') ')
    .at(-1)
    ?.split(' ');
  return ((Number(fields?.[11]) + Number(fields?.[12])) * 1000) / TICKS;
}

/** Processor time of some processes, by what they are called: counted from when it is made. */
export class Usage<Name extends string> {
  private readonly pids: Record<Name, number | undefined>;
  private readonly before: Record<Name, number>;
  private readonly began = performance.now();

  constructor(pids: Record<Name, number | undefined>) {
    this.pids = pids;
    this.before = this.now();
  }

  /** Of each, in ms; and how long that took. */
  end(): { cpu: Record<Name, number>; elapsed: number } {
    const elapsed = performance.now() - this.began;
    const after = this.now();
    const cpu = { ...after };
    for (const name of Object.keys(after) as Name[]) cpu[name] = after[name] - this.before[name];
    return { cpu, elapsed };
  }

  private now(): Record<Name, number> {
    const entries = Object.entries<number | undefined>(this.pids);
    return Object.fromEntries(entries.map(([name, pid]) => [name, cpuMs(pid)])) as Record<
      Name,
      number
    >;
  }
}
