import { AppError, type FieldFault } from '../common/errors';
import type { Field, FieldKind } from './field';

/** Fields of one object that are in use. */
const LIVE_LIMIT = 200;
/** All of them, the archived ones included: one read of a bounded partition gives them all. */
export const FIELDS_LIMIT = 400;
/** Each puts every record into lists of its own, in every order: what a write costs grows with them. */
const INDEXED_LIMIT = 30;
/** Choices of all fields of one object together: what is read for every record has to stay small. */
const OPTIONS_TOTAL = 5000;

const UNIQUE_KINDS: readonly FieldKind[] = ['text', 'number', 'email', 'phone', 'url'];

/** What a field is created from. */
export type NewField = Pick<
  Field,
  'key' | 'label' | 'kind' | 'required' | 'unique' | 'indexed' | 'options' | 'referenceTo'
>;

/** What can change in a field; undefined leaves it as it is. */
export type FieldChange = Partial<Pick<Field, 'label' | 'required' | 'options'>>;

/** True for the kinds whose values are chosen from options. */
export function hasOptions(kind: FieldKind): boolean {
  return kind === 'select' || kind === 'multi_select';
}

/** What does not go together in a field to be. */
export function faultsOf(field: NewField): FieldFault[] {
  const { kind, unique, indexed, options, referenceTo } = field;
  const rules: [boolean, FieldFault][] = [
    [hasOptions(kind) && options.length === 0, needed('options', kind)],
    [!hasOptions(kind) && options.length > 0, strange('options', kind)],
    [kind === 'reference' && referenceTo === null, needed('reference_to', kind)],
    [kind !== 'reference' && referenceTo !== null, strange('reference_to', kind)],
    [unique && !UNIQUE_KINDS.includes(kind), strange('unique', kind)],
    // An amount means nothing without its currency: there is no order, and no equal, to look for.
    [indexed && kind === 'money', strange('indexed', kind)],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, fault]) => fault);
}

/** The fault of options for a kind that has none. */
export function strange(field: string, kind: FieldKind): FieldFault {
  return { field, rule: 'notForKind', message: `${field} is not for fields of the kind ${kind}` };
}

function needed(field: string, kind: FieldKind): FieldFault {
  return { field, rule: 'isNeeded', message: `${field} is needed for the kind ${kind}` };
}

/**
 * The archived field as it is when it comes back. Its values are still there, so it has to be what
 * it was.
 * @throws AppError CONFLICT, UNPROCESSABLE
 */
export function broughtBack(former: Field, field: NewField): Field {
  const isSame =
    former.kind === field.kind &&
    former.unique === field.unique &&
    former.indexed === field.indexed &&
    former.referenceTo === field.referenceTo;
  if (!isSame) {
    throw new AppError('CONFLICT', {
      message:
        'An archived field has this key; it can come back only with the same kind, unique, indexed and reference_to.',
    });
  }
  const { label, required, options } = field;
  return changed({ ...former, archived: false }, { label, required, options });
}

/**
 * The next version of a field; the field itself where nothing changes. Options can be added and put
 * in another order: one that is gone would leave records with a value that nobody may write.
 * @throws AppError UNPROCESSABLE where an option would be gone
 */
export function changed(former: Field, change: FieldChange): Field {
  const { label = former.label, required = former.required, options = former.options } = change;
  if (former.options.some((option) => !options.includes(option))) {
    throw new AppError('UNPROCESSABLE', {
      message: 'Options can be added and put in another order, but not removed.',
      details: { reason: 'option_removed' },
    });
  }
  const isSame =
    label === former.label &&
    required === former.required &&
    options.length === former.options.length &&
    options.every((option, index) => option === former.options[index]);
  return isSame ? former : { ...former, label, required, options };
}

/** @throws AppError CONFLICT where an object would have too many fields, or options */
export function checkLimits(others: Field[], field: Field): void {
  const all = [...others, field];
  const options = all.reduce((sum, one) => sum + one.options.length, 0);
  if (all.filter(({ archived }) => !archived).length > LIVE_LIMIT) {
    throw tooMany(`There are ${String(LIVE_LIMIT)} fields already; archive some first.`);
  }
  if (all.filter(({ indexed, archived }) => indexed && !archived).length > INDEXED_LIMIT) {
    throw tooMany(`There are ${String(INDEXED_LIMIT)} indexed fields already; archive some first.`);
  }
  if (all.length > FIELDS_LIMIT) {
    throw tooMany(
      `There are ${String(FIELDS_LIMIT)} fields already, archived ones included; bring one of those back.`,
    );
  }
  if (options > OPTIONS_TOTAL) {
    throw tooMany(`All fields together can have ${String(OPTIONS_TOTAL)} options.`);
  }
}

function tooMany(message: string): AppError {
  return new AppError('CONFLICT', { message });
}
