// What must be true of organizations and their users.
import {
  type Check,
  dataOf,
  groupBy,
  isOk,
  markersOf,
  nameOf,
  type UserBody,
} from './observed.mts';

/** One organization for all who want the same one; one live user for each email in it. */
export const registrations: Check = (operations, final) => {
  const users = new Map(final.organizations.map(({ id, users }) => [id, users]));
  const faults: string[] = [];
  const founded = operations.filter(({ kind }) => kind === 'organization');
  for (const [organization, group] of groupBy(founded, (one) => one.organization)) {
    const winners = group.filter(isOk);
    if (winners.length > 1) faults.push(`${organization} was given to ${String(winners.length)}`);
    const logins = final.logins.filter((one) => one.organization === organization);
    for (const { email, good } of logins) {
      const operation = group.find(({ marker }) => marker === email);
      if (operation?.outcome === 'ok' && !good) faults.push(`${nameOf(operation)}: cannot sign in`);
      if (operation?.outcome === 'fail' && good) faults.push(`${nameOf(operation)}: can sign in`);
    }
    const contenders = new Set(group.map(({ marker }) => marker));
    const inside = logins.filter(({ email, good }) => good && contenders.has(email));
    if (inside.length > 1) faults.push(`${organization} has ${String(inside.length)} founders`);
  }
  const added = operations.filter(({ kind }) => kind === 'user');
  for (const [key, group] of groupBy(added, (one) => `${one.organization} ${one.marker ?? ''}`)) {
    const [organization = '', email = ''] = key.split(' ');
    const ids = new Set(group.filter(isOk).map((one) => dataOf<{ user: UserBody }>(one).user?.id));
    const there = (users.get(organization) ?? []).filter((user) => user.email === email);
    if (ids.size > 1) faults.push(`${email} was given to ${String(ids.size)} users`);
    if (there.length > 1) faults.push(`${email} has ${String(there.length)} users`);
    for (const id of ids) {
      if (!there.some((user) => user.id === id))
        faults.push(`${email}: user ${String(id)} is missing`);
    }
    if (there.length > 0 && group.every(({ outcome }) => outcome === 'fail')) {
      faults.push(`${email} was refused to all, and is there`);
    }
  }
  return faults;
};

/** A user has the last name that was acknowledged, or one that nobody knows the end of. */
export const renamed: Check = (operations, final) => {
  const users = final.organizations.flatMap((one) => one.users);
  const renames = operations
    .filter(({ kind }) => kind === 'rename')
    .toSorted((a, b) => a.endedAt - b.endedAt);
  return [...groupBy(renames, ({ sent }) => sent.path.split('/').at(-1) ?? '')].flatMap(
    ([id, group]) => {
      const user = users.find((one) => one.id === id);
      const last = group.findLast(isOk);
      const open = group.filter(({ outcome }) => outcome === 'unknown');
      const allowed = [last, ...open].map((one) => one?.marker);
      if (last === undefined || allowed.includes(user?.first_name)) return [];
      return [`user ${id} is ${String(user?.first_name)}, and not ${String(last.marker)}`];
    },
  );
};

/** Nobody sees or changes what is of another organization. */
export const tenancy: Check = (operations, final) => {
  const faults = operations.flatMap((operation) => {
    const foreign = organizationsIn(operation.data).filter((id) => id !== operation.organization);
    if (foreign.length > 0) return [`${nameOf(operation)}: has rows of ${foreign.join(', ')}`];
    const isIn = operation.kind === 'intrude' && isOk(operation);
    return isIn ? [`${nameOf(operation)}: reached another organization`] : [];
  });
  const intruded = new Set(
    operations.filter(({ kind }) => kind === 'intrude').map(({ marker }) => marker),
  );
  const written = final.organizations.flatMap(({ id, histories }) =>
    Object.values(histories)
      .flat()
      .flatMap(markersOf)
      .filter((marker) => intruded.has(marker))
      .map((marker) => `${id}: has ${marker} of another organization`),
  );
  return [...faults, ...written];
};

function organizationsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(organizationsIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, one]) =>
    field === 'organization_id' && typeof one === 'string' ? [one] : organizationsIn(one),
  );
}
