import { allQueries } from './define-query';

/**
 * Every statement as text, one file a table: a change of what the database is asked shows in a
 * review. The modules that define the statements must be loaded before.
 */
export function queryFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const { name, cql } of allQueries()) {
    const file = `${name.split('.', 1)[0] ?? ''}.cql`;
    files.set(file, `${files.get(file) ?? ''}-- ${name}\n${cql};\n\n`);
  }
  return new Map([...files].map(([file, text]) => [file, `${text.trimEnd()}\n`]));
}
