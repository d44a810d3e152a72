import { z } from 'zod';
import type { Field, FieldKind, FieldSchema } from './field';
import {
  amount,
  currency,
  date,
  dateTime,
  email,
  id,
  number,
  OPTION_MAX,
  OPTIONS_MAX,
  phone,
  text,
  url,
} from './kinds';

/** Characters of a custom text. */
const TEXT_MAX = 10_000;
/** Characters by which texts are found, sorted and told apart; more is of no use to anybody. */
const INDEX_MAX = 100;

type ChoiceKind = 'select' | 'multi_select';

// Making a schema costs more than using it: those that are the same for all fields are made once.
const SCHEMAS: Readonly<Record<Exclude<FieldKind, ChoiceKind>, FieldSchema>> = {
  text: text(TEXT_MAX),
  number: number(),
  money: z.strictObject({ amount: amount(), currency: currency() }),
  date: date(),
  datetime: dateTime(),
  boolean: z.boolean(),
  url: url(),
  email: email(),
  phone: phone(),
  reference: id(),
};
const OPTION = text(OPTION_MAX);

type Mode = 'create' | 'patch';
type CustomSchema = z.ZodType<Record<string, unknown>>;

const customSchemas: Record<Mode, WeakMap<readonly Field[], CustomSchema>> = {
  create: new WeakMap(),
  patch: new WeakMap(),
};

/**
 * The check of `custom` in the body of a record, over the fields in use. A new record must have its
 * required fields; in a patch every field may be missing, and null clears one that is not required.
 * Unknown and archived keys are reported as `unrecognized_keys`.
 */
export function customSchema(fields: readonly Field[], mode: Mode): CustomSchema {
  const known = customSchemas[mode].get(fields);
  if (known) return known;
  const live = fields.filter(({ archived }) => !archived);
  const made = z.strictObject(
    Object.fromEntries(live.map((field) => [field.key, memberSchema(field, mode)])),
  );
  customSchemas[mode].set(fields, made);
  return made;
}

function memberSchema(field: Field, mode: Mode): FieldSchema {
  const value = valueSchema(field);
  if (!field.required) return value.nullish();
  return mode === 'create' ? value : value.optional();
}

function valueSchema(field: Field): FieldSchema {
  const { kind, required } = field;
  if (kind !== 'select' && kind !== 'multi_select') return SCHEMAS[kind];
  const options = new Set(field.options);
  const choice = OPTION.refine((value) => options.has(value), {
    error: 'must be one of the options of the field',
    params: { rule: 'isOption' },
  });
  if (kind === 'select') return choice;
  return z
    .array(choice)
    .min(required ? 1 : 0)
    .max(OPTIONS_MAX)
    .refine((values) => new Set(values).size === values.length, {
      error: 'must not have the same option twice',
      params: { rule: 'arrayUnique' },
    });
}

/** Keys of the required fields in use that have no value. */
export function missingRequired(
  fields: readonly Field[],
  values: Readonly<Record<string, unknown>>,
): string[] {
  return fields
    .filter(({ archived, required, key }) => !archived && required && isEmpty(values[key]))
    .map(({ key }) => key);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/**
 * The texts under which a value is found by equality: one for each choice of a multi_select, none
 * for money. Texts are found in any case and without accents, by their first 100 characters.
 */
export function indexKeys(field: Field, value: unknown): string[] {
  if (Array.isArray(value)) return value.filter((one) => typeof one === 'string');
  if (typeof value === 'number') return [decimal(value)];
  if (typeof value === 'boolean') return [String(value)];
  if (typeof value === 'string') return [field.kind === 'text' ? fold(value) : value];
  return [];
}

/** What to look for, for the value of a query parameter; undefined if no value can be that. */
export function filterKey(field: Field, parameter: string): string | undefined {
  const parsed = valueSchema(field).safeParse(fromText(field.kind, parameter));
  return parsed.success ? indexKeys(field, parsed.data)[0] : undefined;
}

function fromText(kind: FieldKind, parameter: string): unknown {
  switch (kind) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(parameter) ? Number(parameter) : undefined;
    case 'boolean':
      return parameter === 'true' || parameter === 'false' ? parameter === 'true' : undefined;
    case 'multi_select':
      return [parameter];
    default:
      return parameter;
  }
}

/**
 * A text whose byte order is the order of the values: numbers by size, dates by time, texts and
 * options by the alphabet in any case and without accents. Null for no value, and for what has no
 * order: money and multi_select.
 */
export function sortKey(field: Field, value: unknown): string | null {
  if (typeof value === 'number') return orderedHex(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') return null;
  return field.kind === 'text' || field.kind === 'select' ? fold(value) : value;
}

/** Lower-case letters without accents; the text itself where it is nothing but accents. */
function fold(value: string): string {
  const folded = value.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return cut(folded === '' ? value : folded);
}

/** By code points: half a surrogate pair is no text. */
function cut(value: string): string {
  return value.length <= INDEX_MAX ? value : Array.from(value).slice(0, INDEX_MAX).join('');
}

/** Digits without an exponent; numbers beyond 2^53, which would have a positive one, are no values. */
function decimal(value: number): string {
  // Minus zero is zero.
  const shortest = String(value === 0 ? 0 : value);
  const small = /^(-?)(\d)(?:\.(\d+))?e-(\d+)$/.exec(shortest);
  if (!small) return shortest;
  const [, sign = '', digit = '', digits = '', exponent = ''] = small;
  return `${sign}0.${'0'.repeat(Number(exponent) - 1)}${digit}${digits}`;
}

const SIGN = 1n << 63n;
const ALL = (1n << 64n) - 1n;

/** The bits of a double compare like the numbers, once those of negative ones are turned over. */
function orderedHex(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value === 0 ? 0 : value);
  const bits = bytes.readBigUInt64BE();
  const ordered = bits >= SIGN ? bits ^ ALL : bits | SIGN;
  return ordered.toString(16).padStart(16, '0');
}
