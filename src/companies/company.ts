import { z } from 'zod';
import { domain, id, phone, text, url } from '../fields/kinds';
import { address, type Address, labelled, type Labelled } from '../records/common-fields';
import { textSortKey, phoneTerms, termsOf } from '../records/text';
import type { RecordData } from '../records/record';
import { defineRecord } from '../records/record-definition';
import { referenceScope } from '../records/scopes';

export interface CompanyData extends RecordData {
  name: string;
  domains: string[];
  phones: Labelled[];
  website: string | null;
  industry: string | null;
  size: number | null;
  address: Address | null;
  parent_id: string | null;
}

/** Customers, suppliers, partners: whom one does business with. */
export const companies = defineRecord<CompanyData>({
  object: 'companies',
  title: 'Company',
  schema: z.strictObject({
    name: text(200).meta({ description: 'Up to 200 characters.', example: 'Acme Ltd' }),
    domains: z
      .array(domain())
      .max(20)
      .refine((values) => new Set(values).size === values.length, {
        error: 'must be distinct',
        params: { rule: 'arrayUnique' },
      })
      .default([])
      .meta({
        description: 'Its internet domains. No two companies have the same.',
        example: ['acme.example'],
      }),
    phones: labelled(phone(), 20).meta({ description: 'Phone numbers, kept as E.164.' }),
    website: url().nullable().default(null).meta({ example: 'https://acme.example' }),
    industry: text(100).nullable().default(null).meta({ example: 'Manufacturing' }),
    size: z
      .int()
      .min(0)
      .max(10_000_000)
      .nullable()
      .default(null)
      .meta({ description: 'Number of people who work there.', example: 250 }),
    address: address().nullable().default(null),
    parent_id: id()
      .nullable()
      .default(null)
      .meta({ description: 'The company it belongs to.', example: null }),
  }),
  nameOf: ({ name }) => name,
  subtitleOf: ({ domains }) => domains[0] ?? null,
  uniques: ({ domains }) => domains.map((value) => ({ field: 'domain', value })),
  references: [
    {
      field: 'parent_id',
      object: 'companies',
      ids: ({ parent_id }) => (parent_id === null ? [] : [parent_id]),
      replace: (data, from, to) => (data.parent_id === from ? { ...data, parent_id: to } : data),
    },
  ],
  scopes: ({ phones, industry }) => [
    ...phones.map(({ value }) => `phone:${value}`),
    ...(industry === null ? [] : [`industry:${textSortKey(industry)}`]),
  ],
  lookups: ({ name, phones }) => [
    `name:${textSortKey(name)}`,
    ...phones.map(({ value }) => `phone:${value}`),
  ],
  terms: ({ name, domains, phones }) => [
    ...termsOf([name]),
    ...domains,
    ...phones.flatMap(({ value }) => phoneTerms(value)),
  ],
  filters: {
    domain: {
      schema: domain(),
      description: 'The company with this domain.',
      matches: ({ data }, value) => data.domains.includes(value),
      unique: (value) => ({ field: 'domain', value }),
    },
    phone: {
      schema: phone(),
      description: 'Companies with this phone number.',
      matches: ({ data }, value) => data.phones.some((one) => one.value === value),
      scope: (value) => `phone:${value}`,
    },
    company_id: {
      schema: id(),
      description: 'Companies that belong to this one.',
      matches: ({ data }, value) => data.parent_id === value,
      scope: (value) => referenceScope('companies', value),
    },
    industry: {
      schema: text(100),
      description: 'Companies of this industry, whatever its case.',
      matches: ({ data }, value) =>
        data.industry !== null && textSortKey(data.industry) === textSortKey(value),
      scope: (value) => `industry:${textSortKey(value)}`,
    },
  },
});
