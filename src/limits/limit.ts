import type { LimitWindow } from '../config/app-config';

/** A named limit; all of its windows hold at once, so that patience costs more and more. */
export interface Limit {
  name: string;
  windows: readonly LimitWindow[];
}

/** What a counted moment means for a limit. */
export interface Verdict {
  /** The window that is closest to its end, or over it. */
  window: LimitWindow;
  /** How many more there may be; negative when this one was too many. */
  remaining: number;
  /** Seconds until there is room again. */
  resetSeconds: number;
}

/**
 * Judges a limit by the times (epoch ms, newest first) of everything that counts, the moment that
 * is judged included.
 */
export function judge(limit: Limit, times: readonly number[], now: number): Verdict {
  const verdicts = limit.windows.map((window) => {
    const since = now - window.seconds * 1000;
    const counted = times.filter((time) => time > since);
    // Room comes back when the oldest of the last `count` leaves the window.
    const blocking = counted[Math.min(window.count, counted.length) - 1] ?? now;
    const resetSeconds = Math.max(1, Math.ceil((blocking + window.seconds * 1000 - now) / 1000));
    return { window, remaining: window.count - counted.length, resetSeconds };
  });
  const [first, ...others] = verdicts;
  if (!first) throw new Error(`The limit ${limit.name} has no window`);
  return others.reduce((worst, next) => {
    if (worst.remaining < 0 && next.remaining < 0) {
      return next.resetSeconds > worst.resetSeconds ? next : worst;
    }
    return next.remaining < worst.remaining ? next : worst;
  }, first);
}

/** The header fields of the IETF draft "RateLimit header fields for HTTP". */
export function limitHeaders(limit: Limit, verdict: Verdict): Record<string, string> {
  const policies = limit.windows.map(
    ({ count, seconds }) => `"${limit.name}";q=${String(count)};w=${String(seconds)}`,
  );
  return {
    'RateLimit-Policy': policies.join(', '),
    RateLimit: `"${limit.name}";r=${String(Math.max(0, verdict.remaining))};t=${String(verdict.resetSeconds)}`,
  };
}
