import { stringify } from 'csv-stringify/sync';
import type { Job } from '../jobs/job';
import { type ImportInput, type RowError, type RowResult } from './import';

/**
 * What a spreadsheet would run must stay text; an import takes the quote away again. Not the quotes
 * of an export, which marks cells that begin with one: these are the cells of a file as they were,
 * and must read the same when they are sent again.
 */
const FORMULA = /^[=+\-@\t\r\0]/;

function csvLine(cells: readonly string[], delimiter: string): string {
  const safe = cells.map((cell) => (FORMULA.test(cell) ? `'${cell}` : cell));
  return stringify([safe], {
    delimiter,
    record_delimiter: 'windows',
    quoted_match: /[\r\n]/,
  });
}

function inWords({ code, message, details }: RowError): string {
  const faults = Array.isArray(details) ? (details as { field?: string; message?: string }[]) : [];
  const parts = faults.map((fault) => fault.message ?? fault.field ?? '');
  return `${code}: ${[message, ...parts].join(' ')}`;
}

/**
 * The rows that were not done, as CSV: where they stood, why, and all of their cells, so that they
 * can be put right and sent again.
 */
export async function* errorReport(
  job: Job,
  failures: AsyncIterable<readonly RowResult[]>,
): AsyncGenerator<string> {
  const { delimiter = ',', header = ['record_id'] } = job.input as Partial<ImportInput>;
  yield `\ufeff${csvLine(['line', 'error', ...header], delimiter)}`;
  for await (const rows of failures) {
    yield rows
      .map(({ line, error, cells, recordId }) => {
        const why = error === null ? '' : inWords(error);
        return csvLine([String(line), why, ...(cells ?? [recordId ?? ''])], delimiter);
      })
      .join('');
  }
}
