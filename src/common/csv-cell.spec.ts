import fc from 'fast-check';
import { fromCsvCell, toCsvCell } from './csv-cell';

/** Texts that are likely to be taken for a formula, or for one that was defused before. */
const nasty = fc
  .array(fc.constantFrom("'", '=', '+', '-', '@', '\t', '\r', '\u0000', 'a', '"', ';', '\n'))
  .map((characters) => characters.join(''));
const texts = fc.oneof(nasty, fc.string({ unit: 'binary' }));

describe('J3: cells of a CSV file', () => {
  it.each([
    ["=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"],
    ['+1 555 0100', "'+1 555 0100"],
    ['-5', "'-5"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', "'\r=1"],
    ['\u0000=1', "'\u0000=1"],
    ["'=1", "''=1"],
    ["O'Neill", "O'Neill"],
    ["'tis", "'tis"],
    ['a=b', 'a=b'],
    ['', ''],
  ])('J3: writes %j as %j, and reads it back', (text, cell) => {
    expect(toCsvCell(text)).toBe(cell);
    expect(fromCsvCell(cell)).toBe(text);
  });

  it('J3: reads back every text as it was', () => {
    fc.assert(fc.property(texts, (text) => fromCsvCell(toCsvCell(text)) === text));
  });

  it('J3: writes no cell that begins like a formula', () => {
    const starts = ['=', '+', '-', '@', '\t', '\r', '\u0000'];
    fc.assert(fc.property(texts, (text) => !starts.includes(toCsvCell(text).charAt(0))));
  });

  it('reads what others have written as it is', () => {
    expect(fromCsvCell('-5')).toBe('-5');
    expect(fromCsvCell('=1+1')).toBe('=1+1');
  });
});
