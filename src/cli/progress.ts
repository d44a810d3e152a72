const ON_TERMINAL_MS = 200;
const ELSEWHERE_MS = 10_000;
const BAR_WIDTH = 24;

/**
 * Tells how far a long command is, on stderr: in one line that is written over and over on a
 * terminal, and in a new line every ten seconds elsewhere.
 */
export class Progress {
  private readonly begin = Date.now();
  private told = Date.now();
  private done = 0;

  /** @param total how much there is to do, where it is known: then there is a time left, too */
  constructor(
    private readonly what: string,
    private readonly total?: number,
    private readonly out: NodeJS.WriteStream = process.stderr,
  ) {}

  /** @param done how much is done by now */
  at(done: number): void {
    this.done = done;
    const every = this.out.isTTY ? ON_TERMINAL_MS : ELSEWHERE_MS;
    if (Date.now() - this.told < every) return;
    this.told = Date.now();
    this.out.write(this.out.isTTY ? `\r\x1b[K${this.line()}` : `${this.line()}\n`);
  }

  /** The last line, which stays. */
  end(): void {
    this.out.write(`${this.out.isTTY ? '\r\x1b[K' : ''}${this.line()}\n`);
  }

  private line(): string {
    const seconds = Math.max(0.001, (Date.now() - this.begin) / 1000);
    const rate = this.done / seconds;
    const speed = `${whole(rate)}/s, ${duration(seconds)}`;
    if (this.total === undefined) return `${this.what}  ${whole(this.done)}  ${speed}`;
    const share = this.total === 0 ? 1 : Math.min(1, this.done / this.total);
    const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
    const left = rate > 0 && share < 1 ? `, ${duration((this.total - this.done) / rate)} left` : '';
    return `${this.what}  ${bar}  ${whole(this.done)} of ${whole(this.total)}  ${speed}${left}`;
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function duration(seconds: number): string {
  const all = Math.round(seconds);
  return `${String(Math.floor(all / 60))}:${String(all % 60).padStart(2, '0')} min`;
}
