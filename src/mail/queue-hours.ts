const HOUR_MS = 3_600_000;
/** As long as the rows of the queue live. */
export const HOURS_KEPT = 72;

/** The partition of the queue for a point in time, e.g. `2026-01-31T09`. */
export function hourOf(time: Date): string {
  return time.toISOString().slice(0, 13);
}

/** The latest partitions, oldest first. */
export function lastHours(count: number): string[] {
  const now = Date.now();
  const hours = Array.from({ length: count }, (_, index) =>
    hourOf(new Date(now - index * HOUR_MS)),
  );
  return hours.reverse();
}
