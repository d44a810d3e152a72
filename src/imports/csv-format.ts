/** Labels of TextDecoder. */
export const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as const;
export type Encoding = (typeof ENCODINGS)[number];

export const DELIMITERS = [',', ';', '\t', '|'] as const;

/** Lines that are looked at for a delimiter. */
const LINES = 20;
/** More zeros than this in one half of the bytes, and hardly any in the other: two bytes a character. */
const ZERO_SHARE = 0.3;

/**
 * The encoding of a file, from its first bytes and whether all of it is valid UTF-8. What is neither
 * that nor UTF-16 is Windows-1252, in which everything is valid.
 */
export function detectEncoding(head: Buffer, isUtf8: boolean): Encoding {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  const half = Math.max(1, Math.floor(head.length / 2));
  const zeros = [0, 0];
  head.forEach((byte, index) => {
    if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  });
  const [even = 0, odd = 0] = zeros.map((count) => count / half);
  if (odd > ZERO_SHARE && even < odd / 10) return 'utf-16le';
  if (even > ZERO_SHARE && odd < even / 10) return 'utf-16be';
  return isUtf8 ? 'utf-8' : 'windows-1252';
}

/** A single quote counts only where it stands around whole cells. */
export function detectQuote(text: string): string {
  if (text.includes('"')) return '"';
  const [header = ''] = text.split(/\r\n|\n|\r/, 1);
  const cells = header.split(/[,;\t|]/);
  return cells.every((cell) => /^'.*'$/.test(cell.trim())) ? "'" : '"';
}

/**
 * The delimiter that splits the first lines into the most cells, as many in each: quoted text does
 * not count. A comma where nothing splits anything.
 */
export function detectDelimiter(text: string, quote: string): string {
  let best: { delimiter: string; score: number } = { delimiter: ',', score: 0 };
  for (const delimiter of DELIMITERS) {
    const counts = cellCounts(text, delimiter, quote);
    const [first = 0] = counts;
    const alike = counts.filter((count) => count === first).length / Math.max(1, counts.length);
    const score = first * alike;
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

/** How often a delimiter stands in each of the first lines that are whole. */
function cellCounts(text: string, delimiter: string, quote: string): number[] {
  const counts: number[] = [];
  let [count, isQuoted, isEmpty] = [0, false, true];
  for (const character of text) {
    if (character === quote) isQuoted = !isQuoted;
    else if (!isQuoted && character === delimiter) count++;
    else if (!isQuoted && (character === '\n' || character === '\r')) {
      if (!isEmpty) counts.push(count);
      if (counts.length >= LINES) return counts;
      [count, isEmpty] = [0, true];
      continue;
    }
    isEmpty = false;
  }
  // The last line may be cut off; it counts where there is no other.
  if (counts.length === 0 && !isEmpty) counts.push(count);
  return counts;
}

/** Counts the lines of a file while it passes, without those inside quotes. */
export class LineCounter {
  private newlines = 0;
  private isQuoted = false;
  private last = 0;

  add(bytes: Buffer): void {
    for (const byte of bytes) {
      if (byte === 0x22) this.isQuoted = !this.isQuoted;
      else if (byte === 0x0a && !this.isQuoted) this.newlines++;
      if (byte !== 0) this.last = byte;
    }
  }

  /** Lines, the header among them; also those that are empty. */
  get lines(): number {
    return this.newlines + (this.last === 0x0a ? 0 : 1);
  }
}
