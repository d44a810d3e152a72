import type { Encoding } from './csv-format';

export const IMPORT_KIND = 'import';
export const REVERT_KIND = 'import_revert';

export const MODES = ['create', 'update', 'upsert'] as const;
export const DUPLICATES = ['error', 'skip', 'update'] as const;

/** Rows of an import. */
export const ROWS_MAX = 1_000_000;
/** Rows between two checkpoints. */
export const BLOCK = 200;

/** What a job of an import is told. */
export interface ImportInput {
  object: string;
  mode: (typeof MODES)[number];
  /** What an existing record is found by: `id`, a unique field, `custom.<key>` or `external:<source>`. */
  matchBy: string | null;
  duplicates: (typeof DUPLICATES)[number];
  dryRun: boolean;
  /** An empty cell clears the field of a record that is changed. */
  clearEmpty: boolean;
  fileName: string | null;
  bytes: number;
  encoding: Encoding;
  delimiter: string;
  quote: string;
  header: string[];
  /** The field of each column, in their order; null for one that is left out. */
  fields: (string | null)[];
  /** Columns of the file that only the server writes. */
  readOnly: string[];
  upload: Upload;
  /** Of the fields and the file: tells a repeated request from another one. */
  digest: string;
}

/** A file in the database. */
export interface Upload {
  id: string;
  parts: number;
}

/** How far an import has come. */
export interface ImportCheckpoint {
  row: number;
}

export const OUTCOMES = [
  'created',
  'updated',
  'unchanged',
  'skipped',
  'failed',
  'deleted',
  'restored',
  'kept',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What became of one row. */
export interface RowResult {
  row: number;
  line: number;
  outcome: Outcome;
  recordId: string | null;
  version: number | null;
  error: RowError | null;
  cells: string[] | null;
}

export interface RowError {
  code: string;
  message: string;
  details: unknown;
}
