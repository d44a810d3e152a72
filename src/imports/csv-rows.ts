import { CsvError, type Options, parse } from 'csv-parse';
import { jobFailed } from '../jobs/job';
import type { ImportInput } from './import';

/** One record of a file. */
export interface CsvRow {
  /** 1 for the first one behind the header. */
  row: number;
  /** Where it begins in the file; 1 is the header. */
  line: number;
  cells: string[];
}

/** What a record may be long: it is in memory as a whole. */
const RECORD_MAX = 1024 * 1024;

const FAULTS: Record<string, string> = {
  CSV_QUOTE_NOT_CLOSED: 'a quoted cell is not closed',
  CSV_INVALID_CLOSING_QUOTE: 'there is text behind the closing quote of a cell',
  INVALID_OPENING_QUOTE: 'there is a quote inside a cell that is not quoted',
  CSV_MAX_RECORD_SIZE: 'the row is longer than 1 MB; is a quote not closed?',
};

function options({ delimiter, quote }: Pick<ImportInput, 'delimiter' | 'quote'>): Options {
  return {
    delimiter,
    quote,
    escape: quote,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: RECORD_MAX,
  };
}

/** The line that cannot be read, in words. */
export function readFault(error: unknown): { line: number; message: string } | undefined {
  if (!(error instanceof CsvError)) return undefined;
  const line = Number((error as { lines?: unknown }).lines ?? 0);
  const what = FAULTS[error.code] ?? 'the row cannot be read';
  return { line, message: `Line ${String(line)}: ${what}.` };
}

/**
 * The records of a file, the header left out, from the bytes of it. Only some of it is in memory at
 * a time.
 * @throws AppError UNPROCESSABLE where it is no CSV, with the line; all rows before it have been given
 */
export async function* csvRows(
  chunks: AsyncIterable<Buffer>,
  format: Pick<ImportInput, 'delimiter' | 'quote' | 'encoding'>,
): AsyncGenerator<CsvRow> {
  const found: CsvRow[] = [];
  let row = 0;
  let line = 1;
  const parser = parse({
    ...options(format),
    // Not by the stream itself: that throws away what it has read when it comes upon an error.
    on_record: (cells: string[], { lines }) => {
      if (row > 0) found.push({ row, line, cells });
      row++;
      line = lines + 1;
      return undefined;
    },
  });
  const failure = new Promise<Error>((resolve) => parser.once('error', resolve));
  const ended = new Promise<undefined>((resolve) => {
    parser.once('end', () => {
      resolve(undefined);
    });
  });
  parser.resume();
  const decoder = new TextDecoder(format.encoding);
  try {
    for await (const chunk of chunks) {
      const fault = await written(parser, decoder.decode(chunk, { stream: true }), failure);
      yield* found.splice(0);
      if (fault) throw fault;
    }
    parser.end(decoder.decode());
    const fault = await Promise.race([failure, ended]);
    yield* found.splice(0);
    if (fault) throw fault;
  } catch (error) {
    const fault = readFault(error);
    if (fault) throw jobFailed(fault.message, { line: fault.line });
    throw error;
  } finally {
    parser.destroy();
  }
}

/** Writes on, and tells why that is not possible. */
function written(
  parser: ReturnType<typeof parse>,
  text: string,
  failure: Promise<Error>,
): Promise<Error | undefined> {
  const taken = new Promise<undefined>((resolve) => {
    parser.write(text, (error) => {
      if (!error) resolve(undefined);
    });
  });
  return Promise.race([failure, taken]);
}
