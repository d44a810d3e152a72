import { isDeepStrictEqual } from 'node:util';
import { derivedId } from '../../../src/common/operation';
import {
  merges,
  type MergeData,
  type MergedData,
  undoneMark,
} from '../../../src/records/merging/merge';
import type {
  ChangeEvent,
  RecordData,
  StoredRecord,
  UniqueValue,
} from '../../../src/records/record';
import { allDefinitions, definitionOf, uniquesOf } from '../../../src/records/record-definition';
import { referencesOf } from '../../../src/records/references';
import { listAll, queriesFor } from './visible';
import { describe, operationOf, type World } from './world';

/** A record with all of its versions: the data after each event, oldest first. */
interface Story {
  record: StoredRecord;
  events: ChangeEvent[];
  versions: RecordData[];
}

/**
 * Whatever a world breaks of the promises of the record store, once everybody has come to his end
 * and the sweeper has been there. Empty: it keeps them all.
 */
export async function findFaults(world: World): Promise<string[]> {
  const stories = await readStories(world);
  const report = await world.store.maintenance.verify(world.organizationId);
  return [
    ...world.complaints,
    ...stories.flatMap(checkHistory),
    ...checkAcknowledged(world, stories),
    ...(await checkUniques(world, stories)),
    ...report.faults.map((fault) => `verify: ${JSON.stringify(fault)}`),
    ...(await checkLists(world, stories)),
    ...checkMerges(stories),
  ];
}

async function readStories(world: World): Promise<Story[]> {
  const stories: Story[] = [];
  for (const definition of allDefinitions()) {
    for await (const records of world.store.maintenance.walk(world.organizationId, definition)) {
      for (const record of records) {
        const events = (await world.store.writer.eventsSince(record, 0)).reverse();
        stories.push({ record, events, versions: replay(events) });
      }
    }
  }
  return stories;
}

function replay(events: readonly ChangeEvent[]): RecordData[] {
  let data: Record<string, unknown> = {};
  return events.map(({ changes }) => {
    data = { ...data };
    for (const [field, { to }] of Object.entries(changes)) {
      if (to === undefined) Reflect.deleteProperty(data, field);
      else data[field] = to;
    }
    return data as RecordData;
  });
}

const nameOf = ({ object, id }: Pick<StoredRecord, 'object' | 'id'>) => `${object} ${id}`;

/** Versions 1 to n, each later than the one before, that lead to the record as it is. */
function checkHistory({ record, events, versions }: Story): string[] {
  const name = nameOf(record);
  const faults: string[] = [];
  if (events.length !== record.version) {
    faults.push(
      `${name} is at version ${String(record.version)} with ${String(events.length)} events`,
    );
  }
  events.forEach(({ version, at }, index) => {
    const before = events[index - 1];
    if (version !== index + 1)
      faults.push(`${name}: event ${String(index)} is of ${String(version)}`);
    if (before && before.at.getTime() >= at.getTime()) faults.push(`${name}: time stands still`);
  });
  const operations = new Set(events.map(({ operationId }) => operationId));
  if (operations.size !== events.length) faults.push(`${name}: an operation has two events`);
  if (!isDeepStrictEqual(versions.at(-1), record.data)) {
    faults.push(`${name}: its events do not lead to its data`);
  }
  return faults;
}

function checkAcknowledged(world: World, stories: readonly Story[]): string[] {
  const all = stories.flatMap(({ events }) => events);
  const count = (operationId: string) =>
    all.filter((one) => one.operationId === operationId).length;
  return world.attempts.flatMap((attempt) => {
    const { seed, command, record } = attempt;
    const { kind } = command.action;
    const name = `${describe(command)} (${attempt.outcome})`;
    const others = world.attempts.filter((one) => one.seed === seed);
    const isRefused = others.every(({ outcome }) => outcome === 'refused');
    const found = count(operationOf(seed));
    if (kind === 'merge') return checkMergeOf(attempt.outcome, name, seed, stories);
    if (found > 1) return [`${name}: done ${String(found)} times`];
    if (isRefused && found > 0) return [`${name}: done although refused`];
    const mustBe =
      ['create', 'patch', 'upsert'].includes(kind) || record?.operationId === operationOf(seed);
    return attempt.outcome === 'done' && mustBe && found === 0 ? [`${name}: lost`] : [];
  });
}

/** An acknowledged merge has taken every loser in that is not on its own again. */
function checkMergeOf(outcome: string, name: string, seed: string, stories: readonly Story[]) {
  const mergeId = derivedId(seed, 'merge');
  const merge = stories.find(({ record }) => record.id === mergeId);
  if (!merge) return outcome === 'done' ? [`${name}: lost`] : [];
  return [];
}

/** At most one live record has a value, and the claim names it; nobody else's claim is left. */
async function checkUniques(world: World, stories: readonly Story[]): Promise<string[]> {
  const known = new Map<string, { object: string; unique: UniqueValue; holders: string[] }>();
  for (const { record, versions } of stories) {
    const { object } = record;
    for (const data of versions) {
      for (const unique of uniquesOf(definitionOf(object), { state: 'live', data }, [])) {
        const name = `${object} ${unique.field} ${unique.value}`;
        if (!known.has(name)) known.set(name, { object, unique, holders: [] });
      }
    }
    for (const { field, value } of uniquesOf(definitionOf(object), record, [])) {
      known.get(`${object} ${field} ${value}`)?.holders.push(record.id);
    }
  }
  const faults = [...known].map(async ([name, { object, unique, holders }]) => {
    const claim = await world.store.values.find(world.organizationId, object, unique, true);
    if (holders.length > 1) return [`${name} is of ${holders.join(' and ')}`];
    if (claim?.id === holders[0]) return [];
    return [`${name} is of ${holders[0] ?? 'nobody'}, claimed by ${claim?.id ?? 'nobody'}`];
  });
  return (await Promise.all(faults)).flat();
}

/** The lists have every live record once, and nothing else. */
async function checkLists(world: World, stories: readonly Story[]): Promise<string[]> {
  const faults: string[] = [];
  for (const object of ['contacts', 'companies']) {
    const live = stories
      .map(({ record }) => record)
      .filter((record) => record.object === object && record.state === 'live');
    const asked = [{ sort: 'created_at' }, ...live.flatMap(queriesFor)];
    const queries = new Map(asked.map((query) => [JSON.stringify(query), query]));
    for (const [name, query] of queries) {
      const expected = live.filter((record) =>
        queriesFor(record).some((one) => JSON.stringify(one) === name),
      );
      const found = await listAll(world.store, world.reader, object, query);
      const ids = (records: readonly StoredRecord[]) => records.map(({ id }) => id).sort();
      if (!isDeepStrictEqual(ids(found), ids(expected))) {
        faults.push(`${object}?${name} has ${String(found.length)} of ${String(expected.length)}`);
      }
    }
  }
  return faults;
}

/** Nothing that a loser had is gone, and nobody refers to it any more. */
function checkMerges(stories: readonly Story[]): string[] {
  const byId = new Map(stories.map((story) => [story.record.id, story]));
  const merged = stories.filter(({ record }) => record.state === 'merged');
  const lost = merged.flatMap((loser) => {
    const { merged_into: winnerId, merge_id: mergeId } = loser.record.data as MergedData;
    const winner = byId.get(winnerId);
    const taken = winner && versionWith(winner, loser.record.id);
    const name = `${nameOf(loser.record)} merged into ${winnerId}`;
    const isTaken =
      taken !== undefined &&
      !winner?.record.data.unmerged?.includes(undoneMark(mergeId, loser.record.id));
    // It cannot be on its own again while somebody else has one of its values.
    if (!isTaken)
      return isHindered(loser, stories)
        ? []
        : [`${name}: was not taken in: ${tell(loser)}; winner: ${winner ? tell(winner) : 'none'}`];
    // What it is called in another system stays the winner's own name, if it has one.
    const missing = thingsOf(loser).filter(
      (thing) => !thingsIn(taken).includes(thing) && !thing.startsWith('external'),
    );
    return missing
      .filter((thing) => !wasSomebodyElses(thing, [loser.record.id, winnerId], stories))
      .map((thing) => `${name}: ${thing} is lost`);
  });
  const gone = new Set(merged.map(({ record }) => record.id));
  const dangling = stories
    .filter(({ record }) => record.state === 'live' && record.object !== merges.object)
    .flatMap(({ record }) =>
      referencesOf(definitionOf(record.object), [])
        .flatMap((reference) => reference.ids(record.data))
        .filter((id) => gone.has(id))
        .map((id) => `${nameOf(record)} refers to ${id}, which was merged`),
    );
  return [...lost, ...dangling, ...stories.flatMap((story) => checkMembers(story, byId))];
}

/** The data right after a record was last taken in. */
function versionWith({ events, versions }: Story, id: string): RecordData | undefined {
  const has = (data: RecordData | undefined) => data?.merged_ids?.includes(id) === true;
  return versions.findLast(
    (data, index) => events[index]?.kind === 'merged' && has(data) && !has(versions[index - 1]),
  );
}

function isHindered(loser: Story, stories: readonly Story[]): boolean {
  const own = thingsOf(loser).filter((thing) => !thing.startsWith('tag'));
  return stories.some(
    ({ record }) =>
      record.state === 'live' &&
      record.object === loser.record.object &&
      thingsIn(record.data).some((thing) => own.includes(thing)),
  );
}

const tell = ({ events }: Story) => events.map(({ kind }) => kind).join(' ');

/** What a winner says to have taken in has been taken in. */
function checkMembers({ record }: Story, byId: ReadonlyMap<string, Story>): string[] {
  if (record.object === merges.object && record.state === 'live') {
    const { winner_id: winnerId, loser_ids: loserIds } = record.data as MergeData;
    return loserIds.flatMap((id) => {
      const loser = byId.get(id)?.record;
      const undone = loser?.data.unmerged?.includes(undoneMark(record.id, id));
      const winner = byId.get(winnerId)?.record;
      const isKept = loser?.state === 'live' && undone && winner?.state === 'live';
      return isKept && winner.data.merged_ids?.includes(id) ? [`${id} is in two places`] : [];
    });
  }
  return [];
}

const thingsOf = ({ record }: Story) => thingsIn(record.data);

/** Tags, and unique values, of which only one record can have each. */
function thingsIn(data: RecordData): string[] {
  const { emails = [], domains = [] } = data as RecordData & {
    emails?: { value: string }[];
    domains?: string[];
  };
  return [
    ...data.tags.map((tag) => `tag ${tag}`),
    ...emails.map(({ value }) => `unique ${value}`),
    ...domains.map((value) => `unique ${value}`),
    ...Object.values(data.external_ids).map((value) => `external ${value}`),
  ];
}

function wasSomebodyElses(thing: string, known: readonly string[], stories: readonly Story[]) {
  return (
    thing.startsWith('unique') &&
    stories.some(
      ({ record, versions }) =>
        !known.includes(record.id) && versions.some((data) => thingsIn(data).includes(thing)),
    )
  );
}
