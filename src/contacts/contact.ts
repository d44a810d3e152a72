import { z } from 'zod';
import { dateTime, domain, email, id, phone, text } from '../fields/kinds';
import { address, type Address, labelled, type Labelled } from '../records/common-fields';
import type { RecordData } from '../records/record';
import { defineRecord } from '../records/record-definition';
import { referenceScope } from '../records/scopes';
import { emailTerms, phoneTerms, termsOf, textSortKey } from '../records/text';

export interface ContactData extends RecordData {
  first_name: string | null;
  last_name: string | null;
  emails: Labelled[];
  phones: Labelled[];
  title: string | null;
  company_id: string | null;
  address: Address | null;
  consent: Consent | null;
}

/** What somebody has agreed to. */
interface Consent {
  email: boolean | null;
  phone: boolean | null;
  at: string | null;
  source: string | null;
}

const consent = z.strictObject({
  email: z
    .boolean()
    .nullable()
    .default(null)
    .meta({ description: 'May be mailed.', example: true }),
  phone: z
    .boolean()
    .nullable()
    .default(null)
    .meta({ description: 'May be called.', example: false }),
  at: dateTime().nullable().default(null).meta({ description: 'When it was given.' }),
  source: text(200)
    .nullable()
    .default(null)
    .meta({ description: 'Where it was given.', example: 'web form' }),
});

const domainOf = (address: string) => address.slice(address.lastIndexOf('@') + 1);

function nameOf({ first_name, last_name, emails }: ContactData): string {
  const name = [first_name, last_name].filter((part) => part !== null).join(' ');
  return name || (emails.find(({ primary }) => primary)?.value ?? '');
}

/** The people one talks to. */
export const contacts = defineRecord<ContactData>({
  object: 'contacts',
  title: 'Contact',
  schema: z.strictObject({
    first_name: text(100).nullable().default(null).meta({ example: 'Bob' }),
    last_name: text(100).nullable().default(null).meta({ example: 'Jones' }),
    emails: labelled(email(), 20).meta({
      description: 'Email addresses. No two contacts have the same.',
    }),
    phones: labelled(phone(), 20).meta({ description: 'Phone numbers, kept as E.164.' }),
    title: text(100)
      .nullable()
      .default(null)
      .meta({ description: 'What he does at the company.', example: 'CTO' }),
    company_id: id()
      .nullable()
      .default(null)
      .meta({ description: 'The company he works for.', example: null }),
    address: address().nullable().default(null),
    consent: consent.nullable().default(null),
  }),
  check: ({ first_name, last_name, emails }) =>
    first_name === null && last_name === null && emails.length === 0
      ? [{ field: 'last_name', rule: 'nameOrEmail', message: 'A name or an email is needed' }]
      : [],
  nameOf,
  subtitleOf: ({ title, emails }) => title ?? emails.find(({ primary }) => primary)?.value ?? null,
  uniques: ({ emails }) => emails.map(({ value }) => ({ field: 'email', value })),
  references: [
    {
      field: 'company_id',
      object: 'companies',
      ids: ({ company_id }) => (company_id === null ? [] : [company_id]),
      replace: (data, from, to) => (data.company_id === from ? { ...data, company_id: to } : data),
    },
  ],
  scopes: ({ emails, phones }) => [
    ...emails.map(({ value }) => `domain:${domainOf(value)}`),
    ...phones.map(({ value }) => `phone:${value}`),
  ],
  lookups: (data) => [
    ...(data.first_name === null && data.last_name === null
      ? []
      : [`name:${textSortKey(nameOf(data))}`]),
    ...data.phones.map(({ value }) => `phone:${value}`),
  ],
  terms: ({ first_name, last_name, emails, phones }) => [
    ...termsOf([first_name, last_name]),
    ...emails.flatMap(({ value }) => emailTerms(value)),
    ...phones.flatMap(({ value }) => phoneTerms(value)),
  ],
  filters: {
    email: {
      schema: email(),
      description: 'The contact with this email address.',
      matches: ({ data }, value) => data.emails.some((one) => one.value === value),
      unique: (value) => ({ field: 'email', value }),
    },
    phone: {
      schema: phone(),
      description: 'Contacts with this phone number.',
      matches: ({ data }, value) => data.phones.some((one) => one.value === value),
      scope: (value) => `phone:${value}`,
    },
    company_id: {
      schema: id(),
      description: 'Contacts of this company.',
      matches: ({ data }, value) => data.company_id === value,
      scope: (value) => referenceScope('companies', value),
    },
    domain: {
      schema: domain(),
      description: 'Contacts with an email address of this domain.',
      matches: ({ data }, value) => data.emails.some((one) => domainOf(one.value) === value),
      scope: (value) => `domain:${value}`,
    },
  },
});
