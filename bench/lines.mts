// What the comparisons of npm run bench have in common: a line of figures of the product, and of what
// it is compared with in the same run.

/** One line of the table: a figure of every round, of both sides. */
export interface Line {
  /** Of whatever is measured, e.g. `read own user, p99`. */
  name: string;
  unit: 'ms' | '1/s' | 'MB' | 's';
  ours: number[];
  theirs: number[];
  /** What the ratio of the medians, ours by theirs, is to be. */
  target?: { bound: 'at least' | 'at most'; ratio: number };
}
