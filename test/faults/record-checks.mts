// What must be true of records.
import { isPassing } from './history.mts';
import {
  type Check,
  contactOf,
  dataOf,
  groupBy,
  isOk,
  markersOf,
  nameOf,
  type RecordBody,
  type UserBody,
  versionWrites,
} from './observed.mts';

/**
 * No acknowledged version is missing: the history has each one, under its number. Where an answer got
 * lost, the repetition is answered with the record as it is by then: its edit is in it, or before.
 */
export const acknowledged: Check = (operations, final) => {
  const histories = new Map(
    final.organizations.flatMap(({ histories }) => Object.entries(histories)),
  );
  const repeated = groupBy(operations, ({ sent }) => sent.key ?? '');
  return versionWrites(operations)
    .filter(isOk)
    .flatMap((operation) => {
      const { marker, attempts, sent } = operation;
      const { id = '', version = 0 } = dataOf<RecordBody>(operation);
      const events = histories.get(id) ?? [];
      const own = events.find((event) => marker === null || markersOf(event).includes(marker));
      const there = events.some((event) => event.version === version);
      const what = `${nameOf(operation)}: version ${String(version)} of ${id}`;
      if (!there || !own) return [`${what} is missing`];
      if (marker === null || own.version === version) return [];
      const isFirst = attempts === 1 && (sent.key === null || repeated.get(sent.key)?.length === 1);
      return isFirst || own.version > version ? [`${what} is somebody else's`] : [];
    });
};

/** No read is older than what had been acknowledged when it began. */
export const fresh: Check = (operations) => {
  const faults: string[] = [];
  const answered = operations.filter((one) => isOk(one) && one.workload === 'records');
  for (const [path, group] of groupBy(answered, contactOf)) {
    const known = group
      .filter((one) => dataOf<RecordBody>(one).version !== undefined)
      .toSorted((a, b) => a.endedAt - b.endedAt);
    for (const read of known.filter(({ kind }) => kind === 'read')) {
      const before = known.filter(({ endedAt }) => endedAt < read.invokedAt);
      const least = Math.max(0, ...before.map((one) => dataOf<RecordBody>(one).version ?? 0));
      const { version = 0 } = dataOf<RecordBody>(read);
      if (version < least) {
        faults.push(
          `${nameOf(read)}: ${path} had version ${String(least)}, read ${String(version)}`,
        );
      }
    }
  }
  return faults;
};

/** Versions are the acknowledged edits; unknown ones may be in once, refused ones must not be. */
export const versions: Check = (operations, final) => {
  const byMarker = groupBy(
    versionWrites(operations).filter(({ marker }) => marker !== null),
    ({ marker }) => marker ?? '',
  );
  return final.organizations.flatMap(({ histories, contacts }) => {
    const live = new Map(contacts.map((contact) => [contact.id, contact]));
    return Object.entries(histories).flatMap(([id, events]) => {
      const faults: string[] = [];
      const seen = new Set<string>();
      events.forEach((event, index) => {
        if (event.version !== index + 1)
          faults.push(`${id}: event ${String(index + 1)} is missing`);
        for (const marker of markersOf(event)) {
          const writers = byMarker.get(marker);
          if (!writers) continue;
          if (seen.has(marker)) faults.push(`${id}: ${marker} was written twice`);
          seen.add(marker);
          if (writers.every(({ outcome }) => outcome === 'fail')) {
            faults.push(`${id}: ${marker} was refused, and is there`);
          }
        }
      });
      const record = live.get(id);
      if (record && record.version !== events.length) {
        faults.push(`${id} is at ${String(record.version)} with ${String(events.length)} versions`);
      }
      return faults;
    });
  });
};

/** One live record for each unique value; who got one has it, unless it was given back. */
export const uniques: Check = (operations, final) => {
  const removed = new Set(
    operations
      .filter(({ kind, outcome }) => kind === 'remove' && outcome !== 'fail')
      .map(({ sent }) => sent.path.split('/').at(-1)),
  );
  const doubles = final.organizations.flatMap(({ id, contacts }) => {
    const claims = contacts.flatMap((contact) => contact.emails.map(({ value }) => value));
    return [...groupBy(claims, (value) => value)]
      .filter(([, group]) => group.length > 1)
      .map(([value, group]) => `${value} is in ${String(group.length)} records of ${id}`);
  });
  const live = new Set(final.organizations.flatMap(({ contacts }) => contacts.map(({ id }) => id)));
  const lost = operations
    .filter((one) => one.workload === 'uniques' && one.kind === 'create' && isOk(one))
    .filter((one) => !live.has(contactOf(one)) && !removed.has(contactOf(one)))
    .map((one) => `${nameOf(one)}: ${contactOf(one)} is missing`);
  const gone = new Set(
    operations
      .filter((one) => one.kind === 'remove' && isOk(one))
      .map(({ sent }) => sent.path.split('/').at(-1) ?? ''),
  );
  const back = [...gone]
    .filter((id) => live.has(id))
    .map((id) => `${id} was deleted, and is there`);
  return [...doubles, ...lost, ...back];
};

/** All answers under one key speak of one effect, and a creation has made at most one record. */
export const replays: Check = (operations, final) => {
  const faults: string[] = [];
  const keyed = operations.filter(({ sent }) => sent.key !== null);
  for (const [key, group] of groupBy(keyed, ({ sent }) => sent.key ?? '')) {
    const answers = group.filter(isOk).map((one) => {
      const { id, version, user } = dataOf<RecordBody & { user: UserBody }>(one);
      return JSON.stringify([one.status, id ?? user?.id, version]);
    });
    if (new Set(answers).size > 1) faults.push(`${key} was answered ${answers.join(' and ')}`);
    const refused = group.filter((one) => one.outcome === 'fail' && !isPassing(one)).map(nameOf);
    if (group.some(isOk) && refused.length > 0) {
      faults.push(`${key} was acknowledged, and refused: ${refused.join('; ')}`);
    }
  }
  const created = operations.filter(({ kind, marker }) => kind === 'create' && marker !== null);
  const known = new Map(created.map((one) => [one.marker, one]));
  const all = final.organizations.flatMap(({ histories }) => Object.values(histories));
  const births = all.flatMap(([first]) => (first ? markersOf(first) : []));
  for (const [marker, group] of groupBy(births, (one) => one)) {
    if (known.has(marker) && group.length > 1) faults.push(`${marker} is in several records`);
  }
  return faults;
};

/** What a record has is in one place: its own, or that of the one winner it was merged into. */
export const merges: Check = (operations, final) => {
  const contacts = final.organizations.flatMap((one) => one.contacts);
  const tried = operations.filter(({ kind }) => kind === 'merge');
  return [...groupBy(tried, ({ marker }) => marker ?? '')].flatMap(([tag, group]) => {
    const holders = contacts.filter(({ tags }) => tags.includes(tag));
    if (holders.length !== 1) return [`${tag} is in ${String(holders.length)} live records`];
    const winners = new Set(group.filter(isOk).map(contactOf));
    if (winners.size > 1) return [`${tag} was given to ${[...winners].join(' and ')}`];
    return [...winners]
      .filter((id) => holders[0]?.id !== id)
      .map((id) => `${tag} was given to ${id}, and is in ${holders[0]?.id ?? 'none'}`);
  });
};

/** An import that was acknowledged is done, each row once. */
export const imports: Check = (operations, final) => {
  const contacts = final.organizations.flatMap((one) => one.contacts);
  return operations
    .filter(({ kind }) => kind === 'import')
    .flatMap((operation) => {
      const { marker, sent } = operation;
      const rows = Number(sent.body?.rows);
      const made = contacts.filter(({ title }) => title === marker);
      const names = new Set(made.map((one) => one.last_name));
      const faults: string[] = [];
      if (names.size < made.length) faults.push(`${nameOf(operation)}: rows are there twice`);
      if (isOk(operation) && names.size !== rows) {
        faults.push(
          `${nameOf(operation)}: ${String(names.size)} of ${String(rows)} rows are there`,
        );
      }
      if (operation.outcome === 'fail' && made.length > 0) {
        faults.push(`${nameOf(operation)}: was refused, and has rows`);
      }
      return faults;
    });
};
