/** A statement of a request: what it is called and how long it took, never with what values. */
export interface StatementTime {
  name: string;
  /** Milliseconds after the request began. */
  at_ms: number;
  /** null while it has no answer. */
  ms: number | null;
}

/** What a request keeps, however many statements it sends. */
const KEPT = 50;

const rounded = (milliseconds: number) => Math.round(milliseconds * 10) / 10;

/** The statements of one request, for the case that it turns out to be slow. */
export class StatementLog {
  private readonly startedAt = performance.now();
  private readonly kept: StatementTime[] = [];
  private sent = 0;

  /** How many there were, also those that were not kept. */
  get count(): number {
    return this.sent;
  }

  start(name: string): StatementTime {
    const statement = { name, at_ms: performance.now() - this.startedAt, ms: null };
    this.sent += 1;
    if (this.kept.length < KEPT) this.kept.push(statement);
    return statement;
  }

  end(statement: StatementTime): void {
    statement.ms = performance.now() - this.startedAt - statement.at_ms;
    if (this.sent > KEPT && !this.kept.includes(statement)) this.keepSlower(statement);
  }

  /** The first ones, or the slowest where there were too many; in the order in which they were sent. */
  list(): StatementTime[] {
    return this.kept
      .toSorted((a, b) => a.at_ms - b.at_ms)
      .map(({ name, at_ms, ms }) => ({
        name,
        at_ms: rounded(at_ms),
        ms: ms === null ? null : rounded(ms),
      }));
  }

  private keepSlower(statement: StatementTime): void {
    let fastest = 0;
    for (let index = 1; index < this.kept.length; index++) {
      if (timeOf(this.kept[index]) < timeOf(this.kept[fastest])) fastest = index;
    }
    if (timeOf(this.kept[fastest]) < timeOf(statement)) this.kept[fastest] = statement;
  }
}

/** What has no answer yet is slower than anything else. */
function timeOf(statement: StatementTime | undefined): number {
  return statement?.ms ?? Infinity;
}
