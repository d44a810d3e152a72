import { fromCsvCell, toCsvCell } from '../common/csv-cell';
import type { Labelled } from './common-fields';
import type { JsonSchema } from './record-schemas';

/** How a value is written into the cells of its columns and read from them. */
export interface CellFormat {
  /** A cell for each column of the value. */
  write(value: unknown): string[];
  /** The value; undefined where the cells are empty, and the value can be neither null nor empty. */
  read(cells: readonly string[]): unknown;
}

/** Entries of a list with labels that have columns of their own; the others share one. */
const LABELLED_COLUMNS = 3;

/** The format of a value by its schema, with the names of its columns. */
export function cellsOf(key: string, schema: JsonSchema): CellFormat & { names: string[] } {
  const { type } = schema;
  const items = schema.items as JsonSchema | undefined;
  if (type === 'array' && items?.properties && 'primary' in items.properties) {
    return labelledCells(key);
  }
  const names = [key];
  const empty = emptyOf(schema);
  if (type === 'array' && items?.type === 'string') {
    return { names, ...single(writeList, readList, empty) };
  }
  switch (type) {
    case 'integer':
    case 'number':
      return { names, ...single(String, readNumber, empty) };
    case 'boolean':
      return { names, ...single(String, readBoolean, empty) };
    case 'string':
      return { names, ...single((value) => toCsvCell(value as string), fromCsvCell, empty) };
    default:
      return { names, ...single(writeJson, readJson, empty) };
  }
}

/** What an empty cell says. */
function emptyOf({ type, nullable }: JsonSchema): unknown {
  if (nullable) return null;
  if (type === 'array') return [];
  return type === 'object' ? {} : undefined;
}

function single(
  write: (value: unknown) => string,
  read: (cell: string) => unknown,
  empty: unknown,
): CellFormat {
  return {
    write: (value) => [value === null ? '' : write(value)],
    read: ([cell = '']) => (cell === '' ? empty : read(cell)),
  };
}

/** What is no number stays the text it is: the check of the field says so. */
function readNumber(cell: string): unknown {
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(cell.trim()) ? Number(cell) : fromCsvCell(cell);
}

/** Also in the words of other systems. */
function readBoolean(cell: string): unknown {
  const word = cell.trim().toLowerCase();
  if (['true', 'yes', 'y', '1'].includes(word)) return true;
  return ['false', 'no', 'n', '0'].includes(word) ? false : fromCsvCell(cell);
}

function writeJson(value: unknown): string {
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return isEmpty ? '' : toCsvCell(JSON.stringify(value));
}

function readJson(cell: string): unknown {
  const text = fromCsvCell(cell);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Texts between semicolons; a semicolon or backslash of a text has a backslash in front. */
function writeList(value: unknown): string {
  const texts = value as string[];
  return toCsvCell(texts.map((text) => text.replace(/[\\;]/g, '\\$&')).join(';'));
}

function readList(cell: string): string[] {
  const texts = [''];
  for (const [, escaped, character = ''] of fromCsvCell(cell).matchAll(/\\([\\;])|([^])/gu)) {
    if (character === ';') texts.push('');
    else texts.push((texts.pop() ?? '') + (escaped ?? character));
  }
  // No text of a list is empty: that is somebody's `a; b;`.
  return texts.map((text) => text.trim()).filter((text) => text !== '');
}

/**
 * `email, email_label, email_2, email_2_label, …`; `email_primary`, where it is not the first, is
 * the place of the primary entry, from 1; the entries beyond the third are JSON in `emails_more`.
 */
function labelledCells(key: string): CellFormat & { names: string[] } {
  const one = key.replace(/s$/, '');
  const places = Array.from({ length: LABELLED_COLUMNS }, (_, index) => index);
  const nameAt = (index: number) => (index === 0 ? one : `${one}_${String(index + 1)}`);
  return {
    names: [
      ...places.flatMap((index) => [nameAt(index), `${nameAt(index)}_label`]),
      `${one}_primary`,
      `${key}_more`,
    ],
    write: (value) => {
      const list = (value ?? []) as Labelled[];
      const primary = list.findIndex((entry) => entry.primary) + 1;
      const more = list.slice(LABELLED_COLUMNS).map(({ value, label }) => ({ value, label }));
      return [
        ...places.flatMap((index) => [
          toCsvCell(list[index]?.value ?? ''),
          toCsvCell(list[index]?.label ?? ''),
        ]),
        primary > 1 ? String(primary) : '',
        writeJson(more),
      ];
    },
    read: (cells) => {
      const [primaryCell = '', moreCell = ''] = cells.slice(2 * LABELLED_COLUMNS);
      const entries = places.map((index) => ({
        value: fromCsvCell(cells[2 * index] ?? ''),
        label: fromCsvCell(cells[2 * index + 1] ?? '') || null,
      }));
      const more = moreCell === '' ? [] : readJson(moreCell);
      if (!Array.isArray(more)) return more;
      const list = [...entries.filter(({ value }) => value !== ''), ...(more as object[])];
      const primary = primaryCell === '' ? 1 : Number(primaryCell);
      return list.map((entry, index) => ({ ...entry, primary: index + 1 === primary }));
    },
  };
}
