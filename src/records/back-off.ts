import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits before the next attempt at a record that others are writing, too: longer each time, 10 ms after
 * the first on average, and not the same for all who wait, since they would meet again.
 */
export function backOff(attempt: number): Promise<void> {
  return sleep(10 * attempt * (0.5 + Math.random()));
}
