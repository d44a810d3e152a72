import { z } from 'zod';
import { amount, currency, date, dateTime, id, text } from '../fields/kinds';
import { STAGE_TYPES, stageScope } from '../pipelines/pipeline';
import { defineRecord, type Reference } from '../records/record-definition';
import { referenceScope } from '../records/scopes';
import { integerSortKey, textSortKey } from '../records/text';
import type { DealData } from './deal-data';
import { dealTotals } from './deal-totals';

const CONTACTS_MAX = 50;
/** Sorts after every date. */
const NO_DATE = '~';

/** A reference to one record. */
function single(field: 'pipeline_id' | 'company_id', object: string): Reference<DealData> {
  return {
    field,
    object,
    ids: (data) => (data[field] === null ? [] : [data[field]]),
    replace: (data, from, to) => (data[field] === from ? { ...data, [field]: to } : data),
  };
}

const visit = z.strictObject({
  pipeline_id: id(),
  stage_id: id(),
  entered_at: dateTime(),
  left_at: dateTime().nullable().meta({ description: 'null: it is still there.' }),
  seconds: z.int().nullable().meta({
    description: 'How long it was there; null while it is.',
    example: 86_400,
  }),
});

/** What may be sold, and to whom. */
export const deals = defineRecord<DealData>({
  object: 'deals',
  title: 'Deal',
  schema: z.strictObject({
    name: text(200).meta({ description: 'Up to 200 characters.', example: 'Acme renewal' }),
    pipeline_id: id().nullable().default(null).meta({
      description:
        'The default pipeline unless told. Another one without a stage: its first open stage.',
      example: null,
    }),
    stage_id: id().nullable().default(null).meta({
      description: 'A stage of the pipeline; its first open one unless told.',
      example: null,
    }),
    amount: amount().min(0).nullable().default(null).meta({
      description: 'What it is worth, in minor units (cents).',
      example: 1_250_000,
    }),
    currency: currency().nullable().default(null).meta({
      description: "ISO 4217; the organization's unless told. Without an amount there is none.",
      example: 'EUR',
    }),
    close_date: date().nullable().default(null).meta({
      description: 'When it is expected to be decided.',
      example: '2026-03-31',
    }),
    probability: z.int().min(0).max(100).nullable().default(null).meta({
      description: 'How likely it is won, in percent; null: as its stage says, now and later.',
      example: null,
    }),
    company_id: id().nullable().default(null).meta({
      description: 'The company it is with.',
      example: null,
    }),
    contact_ids: z
      .array(id())
      .max(CONTACTS_MAX)
      .refine((values) => new Set(values).size === values.length, {
        error: 'must be distinct',
        params: { rule: 'arrayUnique' },
      })
      .default([])
      .meta({ description: 'The people it is about, up to 50.', example: [] }),
    lost_reason: text(500).nullable().default(null).meta({
      description: 'Why it is lost: needed in a lost stage, and gone with the next open one.',
      example: null,
    }),
  }),
  output: z.strictObject({
    status: z.enum(STAGE_TYPES).meta({ description: 'The type of its stage.', example: 'open' }),
    stage_entered_at: dateTime().meta({ description: 'Since when it is in its stage.' }),
    closed_at: dateTime().nullable().meta({
      description: 'When it was won or lost; null while it is open.',
    }),
    stage_history: z.array(visit).meta({
      description: 'The stages it was in, oldest first; the last 200.',
      example: [],
    }),
  }),
  nameOf: ({ name }) => name,
  subtitleOf: ({ amount, currency }) =>
    amount === null || currency === null ? null : `${inMajorUnits(amount, currency)} ${currency}`,
  references: [
    single('pipeline_id', 'pipelines'),
    single('company_id', 'companies'),
    {
      field: 'contact_ids',
      object: 'contacts',
      ids: ({ contact_ids }) => contact_ids,
      replace: (data, from, to) => {
        const turned = data.contact_ids.map((one) => (one === from ? to : one));
        return { ...data, contact_ids: [...new Set(turned)] };
      },
    },
  ],
  orders: {
    close_date: { key: ({ close_date }) => close_date ?? NO_DATE },
    amount: { key: ({ amount }) => (amount === null ? '' : integerSortKey(amount)) },
  },
  scopes: ({ stage_id, status }) => [
    ...(stage_id === null ? [] : [stageScope(stage_id)]),
    `status:${status}`,
  ],
  lookups: ({ name, company_id }) => [`name:${textSortKey(name)}:${company_id ?? ''}`],
  totals: dealTotals,
  filters: {
    company_id: {
      schema: id(),
      description: 'Deals with this company.',
      matches: ({ data }, value) => data.company_id === value,
      scope: (value) => referenceScope('companies', value),
    },
    contact_id: {
      schema: id(),
      description: 'Deals that this contact has a part in.',
      matches: ({ data }, value) => data.contact_ids.includes(value),
      scope: (value) => referenceScope('contacts', value),
    },
    pipeline_id: {
      schema: id(),
      description: 'Deals in this pipeline.',
      matches: ({ data }, value) => data.pipeline_id === value,
      scope: (value) => referenceScope('pipelines', value),
    },
    stage_id: {
      schema: id(),
      description: 'Deals in this stage.',
      matches: ({ data }, value) => data.stage_id === value,
      scope: stageScope,
    },
    status: {
      schema: z.enum(STAGE_TYPES),
      description: 'Deals that are open, won or lost.',
      matches: ({ data }, value) => data.status === value,
      scope: (value) => `status:${value}`,
    },
  },
});

/** As people write it: 1250000 of EUR is 12500.00, of JPY 1250000. */
function inMajorUnits(amount: number, currency: string): string {
  const digits = fractionDigitsOf(currency);
  return (amount / 10 ** digits).toFixed(digits);
}

/** Of the currencies that deals have had: a format takes some 50 µs to make. */
const fractionDigits = new Map<string, number>();

function fractionDigitsOf(currency: string): number {
  const known = fractionDigits.get(currency);
  if (known !== undefined) return known;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  const { maximumFractionDigits: digits = 0 } = format.resolvedOptions();
  fractionDigits.set(currency, digits);
  return digits;
}
