export interface RetryPolicy {
  firstMs: number;
  longestMs: number;
  giveUpMs: number;
}

/** When so many records have failed and none has gone through since, it is the endpoint that fails. */
const FAILING_RECORDS = 3;
const PAUSE_MAX_MS = 300_000;

/** Whether an endpoint takes anything: while it does not, it gets one delivery at a time, after a pause. */
export class EndpointHealth {
  private readonly failing = new Set<string>();
  private failures = 0;
  private pausedUntil = 0;

  constructor(private readonly retry: RetryPolicy) {}

  get isFailing(): boolean {
    return this.failing.size >= FAILING_RECORDS;
  }

  get isPaused(): boolean {
    return this.isFailing && this.pausedUntil > Date.now();
  }

  succeeded(): void {
    this.failing.clear();
    this.failures = 0;
  }

  failed(record: string): void {
    this.failing.add(record);
    this.failures++;
    const longestMs = Math.min(PAUSE_MAX_MS, this.retry.longestMs);
    this.pausedUntil = Date.now() + pauseAfter(this.failures, { ...this.retry, longestMs });
  }

  /** Somebody believes that it is well again. */
  endPause(): void {
    this.pausedUntil = 0;
  }
}

/** In ms: twice as long after each attempt, and not for all at the same moment. */
export function pauseAfter(attempts: number, retry: Omit<RetryPolicy, 'giveUpMs'>): number {
  return Math.min(retry.firstMs * 2 ** (attempts - 1), retry.longestMs) * (0.5 + Math.random());
}
