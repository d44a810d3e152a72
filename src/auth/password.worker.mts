// One thread of the hashing pool. bcryptjs computes on the thread that calls it, also with await.
import bcrypt from 'bcryptjs';
import os from 'node:os';

/** Work for the pool; `expiresAt` (epoch ms) spares the work nobody waits for any more. */
export type PasswordTask = { expiresAt: number } & (
  | { kind: 'hash'; password: string; cost: number }
  | { kind: 'compare'; password: string; hash: string }
);

export const EXPIRED = 'expired';

// Linux counts priorities by thread, so this yields the processor to the event loop whenever it
// wants it. Elsewhere the call would slow down the whole process.
if (process.platform === 'linux') os.setPriority(os.constants.priority.PRIORITY_LOW);

export default function run(task: PasswordTask): string | boolean {
  if (Date.now() > task.expiresAt) return EXPIRED;
  return task.kind === 'hash'
    ? bcrypt.hashSync(task.password, task.cost)
    : bcrypt.compareSync(task.password, task.hash);
}
