import { z } from 'zod';
import { type FieldFault, validationFailed } from '../common/errors';
import type { Field } from '../fields/field';
import type { RecordDefinition } from '../records/record-definition';
import { columnNamed, type ImportColumn, importColumns, normalised } from './import-columns';

const mapping = z.record(z.string(), z.string().nullable());

/** The field of each column of a file, by their names; null for one that nothing is called like. */
export function guessFields(
  header: readonly string[],
  columns: readonly ImportColumn[],
): (string | null)[] {
  const taken = new Set<string>();
  const found: (string | null)[] = header.map((name) => {
    const exact = columnNamed(columns, name.trim());
    if (!exact || taken.has(exact.name)) return null;
    taken.add(exact.name);
    return exact.name;
  });
  // What is called exactly so comes first, wherever it stands.
  header.forEach((name, index) => {
    if (found[index] !== null) return;
    const wanted = normalised(name);
    const similar = columns.find(
      (column) => wanted !== '' && !taken.has(column.name) && column.synonyms.includes(wanted),
    );
    if (!similar) return;
    taken.add(similar.name);
    found[index] = similar.name;
  });
  return found;
}

/** The field of each column, as the client has said. @throws AppError VALIDATION_FAILED */
export function givenFields(
  header: readonly string[],
  text: string,
  columns: readonly ImportColumn[],
): (string | null)[] {
  const faults: FieldFault[] = [];
  const given = parseMapping(text);
  const fault = (name: string, rule: string, message: string) => {
    faults.push({ field: `mapping.${name.slice(0, 100)}`, rule, message });
  };
  const taken = new Set<string>();
  const fields = new Map<string, string>();
  for (const [name, field] of Object.entries(given)) {
    if (!header.includes(name)) fault(name, 'isColumn', 'The file has no such column');
    if (field === null) continue;
    const column = columnNamed(columns, field);
    if (!column) fault(name, 'isField', 'There is no such field to import');
    else if (taken.has(column.name)) fault(name, 'once', 'Another column is this field, too');
    else {
      taken.add(column.name);
      fields.set(name, column.name);
    }
  }
  if (faults.length > 0) throw validationFailed(faults);
  return header.map((name) => fields.get(name) ?? null);
}

function parseMapping(text: string): Record<string, string | null> {
  try {
    return mapping.parse(JSON.parse(text));
  } catch {
    const message = 'mapping must be a JSON object from columns to fields';
    throw validationFailed([{ field: 'mapping', rule: 'isMapping', message }]);
  }
}

/** The columns that a kind of record can be imported by. */
export function columnsFor(definition: RecordDefinition, fields: readonly Field[]) {
  return importColumns(definition, fields);
}
