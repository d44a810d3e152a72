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
const CONTACTS_PER_DEAL = 5;
const CONTACTS_PER_ACTIVITY = 4;
const CONTACTS_PER_USER = 2000;
const USERS_MAX = 50;
/** Not the day of today: the same seed gives the same days. */
const TODAY = '2026-01-01T00:00:00.000Z';
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
  private readonly contacts: { id: string; companyId: string }[] = [];
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
      {
        object: 'deals',
        count: Math.ceil(contacts / CONTACTS_PER_DEAL),
        make: () => this.deal(),
      },
      {
        object: 'activities',
        count: Math.ceil(contacts / CONTACTS_PER_ACTIVITY),
        make: () => this.activity(),
      },
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
    const id = faker.string.uuid();
    this.contacts.push({ id, companyId: company.id });
    return {
      id,
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

  private deal(): Body {
    const contact = this.faker.helpers.arrayElement(this.contacts);
    return {
      id: this.faker.string.uuid(),
      name: this.faker.commerce.productName(),
      amount: this.faker.number.int({ min: 100, max: 100_000 }) * 100,
      currency: 'EUR',
      close_date: this.faker.date.soon({ days: 365, refDate: TODAY }).toISOString().slice(0, 10),
      company_id: contact.companyId,
      contact_ids: [contact.id],
      owner_id: this.owner(),
    };
  }

  private activity(): Body {
    const contact = this.faker.helpers.arrayElement(this.contacts);
    const kind = this.faker.helpers.arrayElement(['task', 'call', 'meeting', 'note', 'email']);
    return {
      id: this.faker.string.uuid(),
      kind,
      subject: `${this.faker.hacker.verb()} ${this.faker.commerce.product()}`,
      body: this.faker.lorem.sentences({ min: 1, max: 3 }),
      due_at:
        kind === 'task' ? this.faker.date.soon({ days: 60, refDate: TODAY }).toISOString() : null,
      links: [
        { object: 'contacts', id: contact.id },
        { object: 'companies', id: contact.companyId },
      ],
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
