import { z } from 'zod';
import { type FieldFault, validationFailed } from '../common/errors';
import type { Field } from '../fields/field';
import { cellsOf } from '../records/cells';
import { type Columns, columnsOf } from '../records/columns';
import { SOURCE } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';

/** What a column of a file can be: a column of the export, or an id in another system. */
export interface ImportField {
  /** As in the export and in a mapping, e.g. `address.city`, `custom.tier`, `external_ids.hubspot`. */
  name: string;
  /** False for what only the server writes: such a column is known, and passed over. */
  imported: boolean;
  /** What else it may be called, normalised. */
  synonyms: string[];
}

/** What the fields are called in the files of others, normalised. */
const SYNONYMS: Record<string, string> = {
  first_name: 'first forename givenname vorname',
  last_name: 'last surname familyname nachname',
  name: 'companyname company dealname title account accountname',
  email: 'emails emailaddress mail emailaddresses',
  phone: 'phones telephone tel mobile phonenumber mobilephone cell',
  title: 'jobtitle position role',
  domains: 'domain webdomain',
  website: 'url web homepage site',
  industry: 'sector branch',
  size: 'employees headcount numberofemployees',
  'address.street': 'street streetaddress address address1 addressline1',
  'address.city': 'city town',
  'address.state': 'state region province county',
  'address.postal_code': 'postalcode zip zipcode postcode',
  'address.country': 'country countrycode',
  owner: 'ownerid owneremail assignedto responsible',
  assignee: 'assigneeid assigneeemail',
  tags: 'tag labels label',
  amount: 'value dealvalue',
  close_date: 'expectedclosedate closing',
  subject: 'summary',
  body: 'notes description text note',
  due_at: 'duedate due',
  kind: 'type activitytype',
};

const normalised = (name: string) =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');

/** The fields of a kind of record, but the ids in other systems: there is no end of them. */
export function importFields(
  definition: RecordDefinition,
  customFields: readonly Field[],
): ImportField[] {
  const customNames = new Map(
    customFields.map(({ key, label }) => [`custom.${key}`, [normalised(key), normalised(label)]]),
  );
  return columnsOf(definition, customFields).flatMap(({ names, imported }) =>
    names.map((name) => ({
      name,
      imported,
      synonyms: [
        normalised(name),
        ...(SYNONYMS[name] ?? '').split(' '),
        ...(customNames.get(name) ?? []),
      ],
    })),
  );
}

/** The columns to read a file by: those of the export, and those of ids that the file has. */
export function columnsIn(
  definition: RecordDefinition,
  customFields: readonly Field[],
  names: readonly (string | null)[],
): Columns[] {
  const own = columnsOf(definition, customFields).filter(({ imported }) => imported);
  const sources = names.map((name) => sourceOf(name ?? '')).filter((name) => name !== undefined);
  return [...own, ...sources.map(sourceColumn)];
}

/** An id in one other system, next to `external_ids` with all of them. */
function sourceColumn(source: string): Columns {
  const { names, ...format } = cellsOf(sourceField(source), { type: 'string' });
  return { path: ['external_ids', source], names, imported: true, isUser: false, ...format };
}

const sourceField = (source: string) => `external_ids.${source}`;

function sourceOf(name: string): string | undefined {
  const [, source = ''] = /^external(?:_ids\.|:)(.*)$/.exec(name) ?? [];
  return SOURCE.test(source) ? source : undefined;
}

/** A field by its name; undefined where there is none. */
function fieldNamed(fields: readonly ImportField[], name: string): ImportField | undefined {
  const found = fields.find((one) => one.name === name);
  if (found) return found;
  const source = sourceOf(name);
  return source === undefined
    ? undefined
    : { name: sourceField(source), imported: true, synonyms: [] };
}

/** The field of each column of a file, by their names; undefined for one that nothing is called like. */
export function guessFields(
  header: readonly string[],
  fields: readonly ImportField[],
): (ImportField | undefined)[] {
  const taken = new Set<string>();
  const found = header.map((name) => {
    const exact = fieldNamed(fields, name.trim());
    if (!exact || taken.has(exact.name)) return undefined;
    taken.add(exact.name);
    return exact;
  });
  // What is called exactly so comes first, wherever it stands.
  header.forEach((name, index) => {
    if (found[index] !== undefined) return;
    const wanted = normalised(name);
    const similar = fields.find(
      (field) => wanted !== '' && !taken.has(field.name) && field.synonyms.includes(wanted),
    );
    if (!similar) return;
    taken.add(similar.name);
    found[index] = similar;
  });
  return found;
}

/** The field of each column, as the client has said. @throws AppError VALIDATION_FAILED */
export function givenFields(
  header: readonly string[],
  text: string,
  known: readonly ImportField[],
): (ImportField | undefined)[] {
  const faults: FieldFault[] = [];
  const given = parseMapping(text);
  const fault = (name: string, rule: string, message: string) => {
    faults.push({ field: `mapping.${name.slice(0, 100)}`, rule, message });
  };
  const taken = new Set<string>();
  const fields = new Map<string, ImportField>();
  for (const [name, wanted] of Object.entries(given)) {
    if (!header.includes(name)) fault(name, 'isColumn', 'The file has no such column');
    if (wanted === null) continue;
    const field = fieldNamed(known, wanted);
    if (!field?.imported) fault(name, 'isField', 'There is no such field to import');
    else if (taken.has(field.name)) fault(name, 'once', 'Another column is this field, too');
    else {
      taken.add(field.name);
      fields.set(name, field);
    }
  }
  if (faults.length > 0) throw validationFailed(faults);
  return header.map((name) => fields.get(name));
}

const mapping = z.record(z.string(), z.string().nullable());

function parseMapping(text: string): Record<string, string | null> {
  try {
    return mapping.parse(JSON.parse(text));
  } catch {
    const message = 'mapping must be a JSON object from columns to fields';
    throw validationFailed([{ field: 'mapping', rule: 'isMapping', message }]);
  }
}
