import { TERM_PREFIX_LENGTH } from './text';

/** The names of the lists that records stand in: `<order>|<scope>`. */

/** The scope of every live record. */
export const ALL = 'all';

export const ownerScope = (userId: string) => `owner:${userId}`;
export const tagScope = (tag: string) => `tag:${tag}`;
export const referenceScope = (object: string, id: string) => `ref:${object}:${id}`;
export const customScope = (key: string, value: string) => `custom:${key}:${value}`;
export const lookupScope = (lookup: string) => `lookup:${lookup}`;
export const listName = (order: string, scope: string) => `${order}|${scope}`;
export const termList = (term: string, scope: string) => `term:${firstOf(term)}|${scope}`;

const PREFIX = new RegExp(`^.{0,${String(TERM_PREFIX_LENGTH)}}`, 'su');

/** By characters, not by halves of them. */
function firstOf(term: string): string {
  return PREFIX.exec(term)?.[0] ?? '';
}
