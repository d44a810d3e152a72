// What the checks of the fault suite work on, and what they have in common.
import type { Operation } from './history.mts';

/** A record as it is answered. */
export interface RecordBody {
  id: string;
  organization_id: string;
  version: number;
  first_name: string | null;
  last_name: string | null;
  title: string | null;
  tags: string[];
  emails: { value: string }[];
}

export interface EventBody {
  version: number;
  kind: string;
  changes: Record<string, { to?: unknown }>;
}

export interface UserBody {
  id: string;
  organization_id: string;
  email: string;
  first_name: string | null;
  status: string;
}

/** What is there once all is well and nobody writes any more. */
export interface Final {
  organizations: {
    id: string;
    users: UserBody[];
    /** All that are live, by the list. */
    contacts: RecordBody[];
    /** By id, oldest first, of every contact that an operation speaks of. */
    histories: Record<string, EventBody[]>;
    /** What `npm run verify` says; empty where it finds no fault. */
    verify: string[];
  }[];
  /** Whose password is good. */
  logins: { organization: string; email: string; good: boolean }[];
}

export type Check = (operations: readonly Operation[], final: Final) => string[];

export const isOk = ({ outcome }: Operation) => outcome === 'ok';
export const nameOf = ({ id, kind, sent, outcome, tries }: Operation) =>
  `#${String(id)} ${kind} ${sent.method} ${sent.path} (${outcome}: ${tries.join(', ')})`;
export const dataOf = <T,>({ data }: Operation) => (data ?? {}) as Partial<T>;

/** Items by a text that they have. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

/** Writes of a version of a contact: creations and changes. */
export function versionWrites(operations: readonly Operation[]): Operation[] {
  return operations.filter(({ kind }) => ['create', 'change'].includes(kind));
}

/** All texts that an event has written. */
export const markersOf = (event: EventBody) =>
  Object.values(event.changes)
    .map(({ to }) => to)
    .filter((to) => typeof to === 'string');

/** The contact that an operation speaks of. */
export function contactOf(operation: Operation): string {
  return dataOf<RecordBody>(operation).id ?? operation.sent.path.split('/').at(4) ?? '';
}
