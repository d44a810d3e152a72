import { z } from 'zod';
import { text } from '../fields/kinds';

/** A value with what it is for, e.g. an email address at work. */
export interface Labelled {
  value: string;
  label: string | null;
  primary: boolean;
}

/** A list of values with labels, each value once, at most one of them primary. */
export function labelled(value: z.ZodType<string, string>, max: number) {
  const entry = z.strictObject({
    value,
    label: text(50)
      .nullable()
      .default(null)
      .meta({ description: 'What it is for.', example: 'work' }),
    primary: z.boolean().default(false).meta({
      description: 'The one to use first; the first of the list unless told.',
      example: true,
    }),
  });
  return z
    .array(entry)
    .max(max)
    .refine((list) => new Set(list.map((one) => one.value)).size === list.length, {
      error: 'must be distinct',
      params: { rule: 'arrayUnique' },
    })
    .refine((list) => list.filter(({ primary }) => primary).length <= 1, {
      error: 'must have one primary entry at most',
      params: { rule: 'onePrimary' },
    })
    .transform((list) => {
      const chosen = list.some(({ primary }) => primary);
      return chosen ? list : list.map((one, index) => ({ ...one, primary: index === 0 }));
    })
    .default([]);
}

/** Where somebody is. */
export interface Address {
  street: string | null;
  city: string | null;
  state: string | null;
  postal_code: string | null;
  country: string | null;
}

export function address() {
  const line = (example: string) => text(200).nullable().default(null).meta({ example });
  return z.strictObject({
    street: line('1 Main Street'),
    city: line('Berlin'),
    state: line('Berlin'),
    postal_code: text(20).nullable().default(null).meta({ example: '10115' }),
    country: z
      .string()
      .regex(/^[A-Z]{2}$/, { error: 'must be a country of ISO 3166-1, such as DE' })
      .nullable()
      .default(null)
      .meta({ description: 'ISO 3166-1 alpha-2.', example: 'DE' }),
  });
}
