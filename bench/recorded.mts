// Statements as statement-recorder.cjs has kept them, and what has to wait for what when they are
// sent again.
import { inParallel } from './client.mts';

/** A call of the driver: one statement, or a batch of them. */
export interface Recorded {
  start: number;
  end: number;
  /** The id of the request that sent it; undefined for work in the background. */
  request?: string;
  /** The record it belongs to, where it belongs to one. */
  unit?: number;
  isBatch: boolean;
  statements: { query: string; params: Record<string, unknown> }[];
  options: { prepare?: boolean } & Record<string, unknown>;
  applied?: boolean;
  rows?: number;
  failed?: string;
}

export const isConditional = ({ statements }: Recorded) =>
  statements.some(({ query }) => /\bIF\b/.test(query));

/** Records of one batch, or rows of one import, that the server works on at a time. */
const UNITS_AT_ONCE = 8;

interface Step {
  call: Recorded;
  /** Those before it that had ended when it began: it may have needed what they answered. */
  after: number[];
}

function stepsOf(calls: readonly Recorded[]): Step[] {
  const sorted = calls.toSorted((a, b) => a.start - b.start);
  return sorted.map((call, index) => {
    const ended = sorted.slice(0, index).filter(({ end }) => end <= call.start);
    const lastBegan = Math.max(...ended.map(({ start }) => start));
    // Whatever the last of them waited for is waited for with it.
    const needed = new Set(ended.filter(({ end }) => end > lastBegan));
    const after = sorted.flatMap((one, at) => (needed.has(one) ? [at] : []));
    return { call, after };
  });
}

type Send = (call: Recorded) => Promise<void>;

/** Sends steps as soon as what they wait for is there, and not before they are released. */
class Sending {
  private readonly steps: readonly Step[];
  private readonly send: Send;
  private readonly sent: Promise<void>[] = [];

  constructor(steps: readonly Step[], send: Send) {
    this.steps = steps;
    this.send = send;
  }

  /** Those that began until a moment of the record. */
  release(until: number): void {
    for (;;) {
      const step = this.steps[this.sent.length];
      if (!step || step.call.start > until) return;
      const before = step.after.flatMap((index) => this.sent[index] ?? []);
      this.sent.push(
        before.length === 0
          ? this.send(step.call)
          : Promise.all(before).then(() => this.send(step.call)),
      );
    }
  }

  async done(): Promise<void> {
    await Promise.all(this.sent);
  }
}

/**
 * The statements of one request: those of each record, and those around them. What was sent around
 * them is sent when as many records are begun as had been when it was recorded.
 */
export class Exchange {
  readonly start: number;
  private readonly around: readonly Step[];
  private readonly units: readonly (readonly Step[])[];

  constructor(calls: readonly Recorded[]) {
    const byUnit = Map.groupBy(calls, ({ unit }) => unit);
    this.around = stepsOf(byUnit.get(undefined) ?? []);
    byUnit.delete(undefined);
    this.units = [...byUnit.values()].map(stepsOf).sort((a, b) => startOf(a) - startOf(b));
    this.start = Math.min(...calls.map(({ start }) => start));
  }

  async replay(send: Send): Promise<void> {
    const around = new Sending(this.around, send);
    around.release(this.units[0] ? startOf(this.units[0]) : Infinity);
    await around.done();
    await inParallel(this.units.length, UNITS_AT_ONCE, async (index) => {
      const steps = this.units[index] ?? [];
      around.release(startOf(steps));
      const unit = new Sending(steps, send);
      unit.release(Infinity);
      await unit.done();
    });
    around.release(Infinity);
    await around.done();
  }
}

const startOf = (steps: readonly Step[]) => steps[0]?.call.start ?? 0;

/** Leases follow from the time that passes, and what is not prepared from the start of the server. */
function isReplayed({ request, statements, options }: Recorded): boolean {
  const isLease = request === undefined && / leases /.test(statements[0]?.query ?? '');
  return options.prepare === true && !isLease;
}

/**
 * How a record is sent again: `in order`, whatever waited for whatever; as `one` request with all
 * that was done in the background meanwhile; or as `many` requests.
 */
export type Shape = 'in order' | 'one' | 'many';

export function exchangesOf(recorded: readonly Recorded[], shape: Shape): Exchange[] {
  const calls = recorded.filter(isReplayed);
  if (shape === 'in order') {
    return [new Exchange(calls.map((call) => ({ ...call, unit: undefined })))];
  }
  if (shape === 'one') return [new Exchange(calls)];
  const byRequest = Map.groupBy(calls, ({ request }) => request);
  return [...byRequest.values()]
    .map((some) => new Exchange(some))
    .sort((a, b) => a.start - b.start);
}
