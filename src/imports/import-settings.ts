import { type FieldFault, validationFailed } from '../common/errors';
import { OBJECTS } from '../common/permissions';
import type { Field } from '../fields/field';
import { SOURCE } from '../records/record-body';
import type { RecordDefinition } from '../records/record-definition';
import { DELIMITERS, type Encoding, ENCODINGS } from './csv-format';
import { DUPLICATES, type ImportInput, MODES } from './import';
import type { FormFields } from './multipart';
import { splitOnce } from './row-importer';

/** What a client says of his file. */
export interface ImportSettings extends Pick<ImportInput, 'object' | 'mode' | 'duplicates'> {
  matchBy: string | null;
  dryRun: boolean;
  clearEmpty: boolean;
  /** JSON. */
  mapping: string | null;
  delimiter: string | null;
  encoding: Encoding | null;
}

const KNOWN = [
  'object',
  'mode',
  'match_by',
  'duplicates',
  'mapping',
  'dry_run',
  'clear_empty',
  'delimiter',
  'encoding',
];

/** Unique values, by the fields that hold them. */
const SINGULAR: Record<string, string> = { emails: 'email', domains: 'domain' };

/** @throws AppError VALIDATION_FAILED with every fault */
export function readSettings(fields: FormFields): ImportSettings {
  const faults: FieldFault[] = [];
  const choice = <T extends string>(name: string, among: readonly T[], preset: T): T => {
    const value = fields.get(name) ?? preset;
    const found = among.find((one) => one === value);
    if (found === undefined) {
      const message = `${name} must be one of: ${among.join(', ')}`;
      faults.push({ field: name, rule: 'isIn', message });
    }
    return found ?? preset;
  };
  for (const name of fields.keys()) {
    if (KNOWN.includes(name)) continue;
    const message = 'This field is not known here.';
    faults.push({ field: name.slice(0, 100), rule: 'unknownField', message });
  }
  if (!fields.has('object')) {
    faults.push({
      field: 'object',
      rule: 'isDefined',
      message: 'object must come before the file',
    });
  }
  const settings: ImportSettings = {
    object: choice('object', OBJECTS, 'contacts'),
    mode: choice('mode', MODES, 'create'),
    duplicates: choice('duplicates', DUPLICATES, 'error'),
    dryRun: choice('dry_run', ['true', 'false'], 'false') === 'true',
    clearEmpty: choice('clear_empty', ['true', 'false'], 'false') === 'true',
    matchBy: SINGULAR[fields.get('match_by') ?? ''] ?? fields.get('match_by') ?? null,
    mapping: fields.get('mapping') ?? null,
    delimiter: fields.has('delimiter') ? choice('delimiter', DELIMITERS, ',') : null,
    encoding: fields.has('encoding') ? choice('encoding', ENCODINGS, 'utf-8') : null,
  };
  if (settings.mode === 'create' && settings.matchBy !== null) {
    const message = 'match_by is for update and upsert; see duplicates';
    faults.push({ field: 'match_by', rule: 'mode', message });
  }
  if (faults.length > 0) throw validationFailed(faults);
  return settings;
}

/** What records are found by must be unique, and a column of the file. @throws AppError VALIDATION_FAILED */
export function checkMatchBy(
  { matchBy, mode, fields }: Pick<ImportInput, 'matchBy' | 'mode' | 'fields'>,
  { object }: RecordDefinition,
  custom: readonly Field[],
): void {
  if (mode === 'create' || matchBy === null) return;
  const fault = (rule: string, message: string) =>
    validationFailed([{ field: 'match_by', rule, message }]);
  const columns = columnsOf(matchBy, object, custom);
  const [column] = columns;
  if (column === undefined) {
    throw fault('isUnique', 'match_by must be id, a unique field or external:<source>');
  }
  if (!columns.some((name) => fields.includes(name))) {
    throw fault('isMapped', `No column of the file is ${column}, which match_by needs`);
  }
}

/** The columns that say it; none where it is not unique. */
function columnsOf(matchBy: string, object: string, custom: readonly Field[]): string[] {
  if (matchBy === 'id') return ['id'];
  if (matchBy === 'email' && object === 'contacts') return ['email'];
  if (matchBy === 'domain' && object === 'companies') return ['domains'];
  const [kind, rest] = splitOnce(matchBy);
  if (kind === 'external' && SOURCE.test(rest)) return [`external_ids.${rest}`, 'external_ids'];
  const isUnique = custom.some(({ key, unique, archived }) => key === rest && unique && !archived);
  return kind === 'custom' && isUnique ? [`custom.${rest}`] : [];
}
