// Gives processes a share of the processor that they cannot go beyond, by a cgroup of their own: so a
// small machine shows what several larger ones would do.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
/** Short, so that nobody waits long for the next one. */
const PERIOD_US = 20_000;

/** Where there may be groups, and what a group is told: both versions of cgroups. */
function folder(): { root: string; version: 1 | 2 } | undefined {
  const controllers = join(ROOT, 'cgroup.subtree_control');
  if (existsSync(controllers)) {
    const has = readFileSync(controllers, 'utf8').split(/\s+/).includes('cpu');
    return has ? { root: ROOT, version: 2 } : undefined;
  }
  const root = join(ROOT, 'cpu');
  return existsSync(join(root, 'cpu.cfs_quota_us')) ? { root, version: 1 } : undefined;
}

export class Quota {
  private readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @returns undefined where this machine does not let us */
  static create(name: string, cores: number): Quota | undefined {
    const found = folder();
    if (!found) return undefined;
    const path = join(found.root, `${name}-${String(process.pid)}`);
    const quota = Math.round(cores * PERIOD_US);
    try {
      mkdirSync(path);
      if (found.version === 2) {
        writeFileSync(join(path, 'cpu.max'), `${String(quota)} ${String(PERIOD_US)}`);
      } else {
        writeFileSync(join(path, 'cpu.cfs_period_us'), String(PERIOD_US));
        writeFileSync(join(path, 'cpu.cfs_quota_us'), String(quota));
      }
      return new Quota(path);
    } catch (error) {
      console.warn(`No quota: ${String(error)}`);
      return undefined;
    }
  }

  limit(pid: number): void {
    writeFileSync(join(this.path, 'cgroup.procs'), String(pid));
  }

  /** Once its processes have ended. */
  remove(): void {
    rmdirSync(this.path);
  }
}
