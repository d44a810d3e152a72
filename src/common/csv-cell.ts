/**
 * What a spreadsheet takes for a formula by its first character (OWASP), and the same behind
 * apostrophes: those have to be told apart from the one that is put in front.
 */
// eslint-disable-next-line no-control-regex
const DANGEROUS = /^'*[=+\-@\t\r\u0000]/;
// eslint-disable-next-line no-control-regex
const DEFUSED = /^'+[=+\-@\t\r\u0000]/;

/** A text as a cell that no spreadsheet runs: one apostrophe in front where it could. */
export function toCsvCell(text: string): string {
  return DANGEROUS.test(text) ? `'${text}` : text;
}

/** The text of a cell: the opposite of `toCsvCell`, and harmless for cells that others have made. */
export function fromCsvCell(cell: string): string {
  return DEFUSED.test(cell) ? cell.slice(1) : cell;
}
