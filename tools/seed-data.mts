// Invented companies and people for npm run seed: the same seed gives the same ones.
import { base, de, en, es, Faker, fr, pl } from '@faker-js/faker';

/** The body of a record to be created, with an id of its own. */
export type Body = Record<string, unknown> & { id: string };

/** A kind of record, how many of it there are, and how the next one is made. */
export interface Kind {
  object: string;
  count: number;
  make: () => Body;
}

const CONTACTS_PER_COMPANY = 20;
const CONTACTS_PER_USER = 2000;
const USERS_MAX = 50;
const TAGS = ['vip', 'newsletter', 'partner', 'press', 'lead', 'churned', 'trade fair', 'referral'];
const LOCALES = [
  { locale: en, country: 'US', phone: '+1##########' },
  { locale: en, country: 'GB', phone: '+44##########' },
  { locale: de, country: 'DE', phone: '+4930########' },
  { locale: fr, country: 'FR', phone: '+331########' },
  { locale: es, country: 'ES', phone: '+349########' },
  { locale: pl, country: 'PL', phone: '+4822#######' },
];

/** Without accents, for what becomes part of an address on the web. */
function slug(text: string): string {
  return text
    .replaceAll('ß', 'ss')
    .replaceAll(/[łŁ]/g, 'l')
    .normalize('NFKD')
    .replaceAll(/[^\w]+/g, '')
    .toLowerCase();
}

/** Everything that one organization gets. Makes its records in order: later ones name earlier ones. */
export class SeedData {
  private readonly faker: Faker;
  private readonly regions: { faker: Faker; country: string; phone: string }[];
  private readonly taken = new Set<string>();
  private readonly companies: { id: string; domain: string }[] = [];
  readonly kinds: Kind[];
  readonly users: { id: string; email: string; firstName: string; lastName: string }[];

  constructor(seed: number, contacts: number) {
    this.faker = new Faker({ locale: [en, base], seed });
    this.regions = LOCALES.map(({ locale, ...rest }, index) => ({
      faker: new Faker({ locale: [locale, en, base], seed: seed + index }),
      ...rest,
    }));
    const users = Math.min(USERS_MAX, 3 + Math.floor(contacts / CONTACTS_PER_USER));
    this.users = Array.from({ length: users }, () => {
      const [firstName, lastName] = [this.faker.person.firstName(), this.faker.person.lastName()];
      const email = this.unique(`${slug(firstName)}.${slug(lastName)}`, '@seed.example');
      return { id: this.faker.string.uuid(), email, firstName, lastName };
    });
    this.kinds = [
      {
        object: 'companies',
        count: Math.ceil(contacts / CONTACTS_PER_COMPANY),
        make: () => this.company(),
      },
      { object: 'contacts', count: contacts, make: () => this.contact() },
    ];
  }

  private company(): Body {
    const { faker, country, phone } = this.faker.helpers.arrayElement(this.regions);
    const name = faker.company.name();
    const domain = this.unique(slug(name).slice(0, 40) || 'company', '.example');
    const company = { id: faker.string.uuid(), domain };
    this.companies.push(company);
    return {
      id: company.id,
      name,
      domains: [domain],
      phones: [{ value: number(faker, phone), label: 'office' }],
      website: `https://www.${domain}`,
      industry: this.faker.commerce.department(),
      size: this.faker.number.int({ min: 1, max: 5000 }),
      address: address(faker, country),
      owner_id: this.owner(),
    };
  }

  private contact(): Body {
    const { faker, country, phone } = this.faker.helpers.arrayElement(this.regions);
    const company = this.faker.helpers.arrayElement(this.companies);
    const [firstName, lastName] = [faker.person.firstName(), faker.person.lastName()];
    const email = this.unique(`${slug(firstName)}.${slug(lastName)}`, `@${company.domain}`);
    const mayMail = this.faker.datatype.boolean(0.6);
    return {
      id: faker.string.uuid(),
      first_name: firstName,
      last_name: lastName,
      emails: [{ value: email, label: 'work' }],
      phones: this.some(0.8, () => [{ value: number(faker, phone), label: 'work' }]) ?? [],
      title: faker.person.jobTitle().slice(0, 100),
      company_id: company.id,
      address: this.some(0.5, () => address(faker, country)) ?? null,
      consent: { email: mayMail, source: mayMail ? 'web form' : null },
      tags: this.faker.helpers.arrayElements(TAGS, { min: 0, max: 2 }),
      external_ids: this.some(0.3, () => ({ erp: faker.string.uuid() })) ?? {},
      owner_id: this.owner(),
    };
  }

  private owner(): string {
    return this.faker.helpers.arrayElement(this.users).id;
  }

  private some<T>(share: number, make: () => T): T | undefined {
    return this.faker.datatype.boolean(share) ? make() : undefined;
  }

  /** The text between `before` and `after`, with a number where it was given before. */
  private unique(before: string, after: string): string {
    for (let count = 1; ; count++) {
      const text = `${before}${count === 1 ? '' : String(count)}${after}`;
      if (this.taken.has(text)) continue;
      this.taken.add(text);
      return text;
    }
  }
}

function number(faker: Faker, pattern: string): string {
  return pattern.replaceAll('#', () => faker.string.numeric({ length: 1, exclude: ['0'] }));
}

function address(faker: Faker, country: string) {
  return {
    street: faker.location.streetAddress(),
    city: faker.location.city(),
    postal_code: faker.location.zipCode(),
    country,
  };
}
