import { OUTBOX_WINDOW_MS, outboxWindowOf } from '../records/writing/outbox-windows';
import type { ChangeOutbox } from '../records/writing/change-outbox.service';

export type OutboxRow = Awaited<ReturnType<ChangeOutbox['list']>>['rows'][number];

/**
 * What is known of a window of the outbox. Its rows stay there while more may come: it is remembered
 * which of them are in the log, and later only how many. As none are removed before the window is
 * over, it has nothing new while that number is the same.
 */
export class SeenWindow {
  /** How many rows it had when all of them were in the log. */
  count = 0;
  private readonly rows = new Set<string>();

  constructor(readonly start: Date) {}

  has(row: OutboxRow): boolean {
    return this.rows.has(keyOf(row));
  }

  add(rows: readonly OutboxRow[]): void {
    for (const row of rows) this.rows.add(keyOf(row));
  }

  /** Only the number is needed from now on: whatever else comes is worth a look at all. */
  forgetRows(): void {
    this.rows.clear();
  }
}

/** The windows from one time to another (epoch ms), both included. */
export function windowsBetween(from: number, to: number): Date[] {
  const first = outboxWindowOf(from).getTime();
  const length = Math.max(0, Math.floor((to - first) / OUTBOX_WINDOW_MS) + 1);
  return Array.from({ length }, (_, index) => new Date(first + index * OUTBOX_WINDOW_MS));
}

function keyOf({ organizationId, object, id, version }: OutboxRow): string {
  return `${organizationId} ${object} ${id} ${String(version)}`;
}
