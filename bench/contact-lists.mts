// The lists of contacts of a large organization: where their pages begin, and words to look for.
import type { Client } from './client.mts';
import type { ContactBody } from './plain.mts';

export const SORTS = ['-created_at', 'created_at', 'name', '-name'];
export const PAGE = 50;
const WALK_LIMIT = 200;
/** One in so many contacts is kept to be looked for. */
const SAMPLE_EVERY = 37;
const LETTERS_MAX = 8;

export interface Contact extends ContactBody {
  first_name: string;
  last_name: string;
  emails: { value: string }[];
  phones: { value: string }[];
  external_ids: Record<string, string>;
}

/** The path of a list. */
export function listPath(query: Record<string, string | number>): string {
  const entries = Object.entries(query).map(([name, value]) => [name, String(value)] as const);
  return `/api/v1/contacts?${new URLSearchParams(Object.fromEntries(entries)).toString()}`;
}

/** Walks a whole list. @returns the cursors of its middle and of its last full page */
export async function walk(
  client: Client,
  sort: string,
  see: (page: Contact[]) => Promise<void> = () => Promise.resolve(),
): Promise<{ middle: string; last: string }> {
  const cursors: string[] = [];
  const step = async (limit: number): Promise<number | undefined> => {
    const cursor = cursors.at(-1);
    const path = listPath({ sort, limit, ...(cursor ? { cursor } : {}) });
    const { data, meta } = await client.send<Contact[]>('GET', path);
    if (limit === WALK_LIMIT) await see(data);
    const next = meta?.next_cursor;
    if (next) cursors.push(next);
    return next ? undefined : data.length;
  };
  while ((await step(WALK_LIMIT)) === undefined);
  const middle = cursors[Math.floor(cursors.length / 2)] ?? '';
  // The end again, in smaller steps.
  for (let left = await step(PAGE); ; left = await step(PAGE)) {
    if (left !== undefined) return { middle, last: cursors.at(left === PAGE ? -1 : -2) ?? '' };
  }
}

/** What is noted of all contacts, page by page: some of them, and how words begin. */
export class Census {
  private readonly sample: Contact[] = [];
  private readonly prefixes = new Map<string, number>();
  private count = 0;

  add(page: readonly Contact[]): void {
    for (const contact of page) {
      if (this.count++ % SAMPLE_EVERY === 0) this.sample.push(contact);
      for (const word of [contact.first_name, contact.last_name]) {
        // Only what needs no folding, so that it can be counted here.
        if (!/^[A-Za-z]+$/.test(word)) continue;
        for (let length = 1; length <= Math.min(word.length, LETTERS_MAX); length++) {
          const prefix = word.slice(0, length).toLowerCase();
          this.prefixes.set(prefix, (this.prefixes.get(prefix) ?? 0) + 1);
        }
      }
    }
  }

  /** The most and the least frequent beginning of a word, of each length. */
  terms(): { letters: number; frequent: string; rare: string }[] {
    return Array.from({ length: LETTERS_MAX }, (_, index) => {
      const ofLength = [...this.prefixes].filter(([prefix]) => prefix.length === index + 1);
      const [[frequent] = [''], ...others] = ofLength.sort(([, a], [, b]) => b - a);
      return { letters: index + 1, frequent, rare: others.at(-1)?.[0] ?? frequent };
    });
  }

  /** Any contact of those that fit. */
  any(fits: (contact: Contact) => boolean): () => Contact {
    const fitting = this.sample.filter(fits);
    return () => {
      const one = fitting[Math.floor(Math.random() * fitting.length)];
      if (!one) throw new Error('The organization has too few contacts to look for');
      return one;
    };
  }
}
