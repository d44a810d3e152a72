import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartupError } from './connect';
import { splitCql } from './cql-split';

/** One file of `migrations/`. */
export interface Migration {
  version: number;
  name: string;
  /** SHA-256 of the text with its line ends normalised, in hex. */
  checksum: string;
  statements: string[];
}

export const MIGRATIONS_FOLDER = join(__dirname, '..', '..', 'migrations');

/** Reads all migrations in order. A gap, a double number or a misnamed file is refused. */
export function readMigrations(folder: string = MIGRATIONS_FOLDER): Migration[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.cql'))
    .sort();
  return files.map((file, index) => {
    const match = /^(\d{4})_([a-z0-9_]+)\.cql$/.exec(file);
    if (!match || Number(match[1]) !== index + 1) {
      throw new StartupError(
        `migrations/${file} is out of order: expected ${String(index + 1).padStart(4, '0')}_name.cql.`,
      );
    }
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n');
    return {
      version: index + 1,
      name: match[2] ?? '',
      checksum: createHash('sha256').update(text).digest('hex'),
      statements: splitCql(text),
    };
  });
}
