/** Longest sort key of a text, in characters: enough to order by, short enough for an index. */
const SORT_KEY_LENGTH = 100;
const TERM_LENGTH = 64;
/** Terms of one record: beyond this a text is a document, not a name. */
const TERMS_MAX = 32;
/** Words of one search. */
const QUERY_TERMS_MAX = 6;
/** Terms are kept by their first characters; a search needs at least as many. */
export const TERM_PREFIX_LENGTH = 2;

/** Without accents, in lower case, one space between words: what is alike to a person is equal. */
export function fold(text: string): string {
  // Most texts are: there is nothing to take apart.
  const letters = ASCII.test(text) ? text.toLowerCase() : foldLetters(text);
  return letters.replace(/\s+/g, ' ').trim();
}

const ASCII = /^[ -~]*$/;

function foldLetters(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replaceAll('ß', 'ss');
}

/** The place of a text in an alphabetical list. */
export function textSortKey(text: string): string {
  return fold(text).slice(0, SORT_KEY_LENGTH).toWellFormed();
}

const BETWEEN_WORDS = /[^\p{L}\p{N}]+/u;

/** The words of a text, folded: what it is found by. */
export function words(text: string): string[] {
  return fold(text)
    .split(BETWEEN_WORDS)
    .filter((word) => word.length > 0)
    .map((word) => word.slice(0, TERM_LENGTH).toWellFormed());
}

/** Whether a word of a folded text ends at a place. */
export function endsWord(text: string, place: number): boolean {
  return place >= text.length || text.slice(place).search(BETWEEN_WORDS) === 0;
}

/** The distinct terms of a record, those too short to be asked for left out. */
export function termsOf(texts: readonly (string | null | undefined)[]): string[] {
  const all = texts.flatMap((text) => (text ? words(text) : []));
  return [...new Set(all)].filter((term) => term.length >= TERM_PREFIX_LENGTH).slice(0, TERMS_MAX);
}

/** What an email address is found by: its whole, the words before the @, and its domain. */
export function emailTerms(email: string): string[] {
  const [local = '', domain = ''] = email.split('@');
  // As a search is: without accents, which an address may have.
  return [...words(local), fold(domain), fold(email)].map((term) => term.slice(0, TERM_LENGTH));
}

/** A number is found by its digits from the country on, and by its last 4 to 9. */
export function phoneTerms(e164: string): string[] {
  const digits = e164.replace(/\D/g, '');
  return [digits, ...[9, 8, 7, 6, 5, 4].map((count) => digits.slice(-count))];
}

/** Order-preserving text of a whole number. */
export function integerSortKey(value: number): string {
  return (BigInt(value) + (1n << 62n)).toString(16).padStart(16, '0');
}

/**
 * The words of a search, as terms are spelt: an address or a number is one word. Some may be too
 * short to be looked up, and can only be looked for in what others have found.
 */
export function queryTerms(q: string): string[] {
  if (/^[+\d][\d\s()./-]*$/.test(q)) {
    const digits = q.replace(/\D/g, '');
    return digits === '' ? [] : [digits];
  }
  const parts = fold(q).split(' ');
  const terms = parts.flatMap((part) =>
    part.includes('@') || /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(part) ? [part] : words(part),
  );
  return [...new Set(terms)].map((term) => term.slice(0, TERM_LENGTH)).slice(0, QUERY_TERMS_MAX);
}
