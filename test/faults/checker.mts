import type { Operation } from './history.mts';
import { type Check, type Final, nameOf } from './observed.mts';
import {
  acknowledged,
  fresh,
  imports,
  merges,
  replays,
  uniques,
  versions,
} from './record-checks.mts';
import { registrations, renamed, tenancy } from './tenant-checks.mts';

/** Lists, search and totals follow from the records. */
const derived: Check = (_operations, final) =>
  final.organizations.flatMap(({ id, verify }) => verify.map((fault) => `${id}: ${fault}`));

/** A fault of the cluster is no fault of the program: it is answered 503 or not at all. */
const answers: Check = (operations) =>
  operations
    .filter(({ tries }) => tries.some((one) => /^5/.test(one) && !one.startsWith('503')))
    .map(nameOf);

/** What the suite promises, each with the function that finds what breaks it. */
const ALL = {
  'no acknowledged version is missing': acknowledged,
  'no read is older than what was acknowledged before it': fresh,
  'versions are the acknowledged edits': versions,
  'one organization a name, one live user an email': registrations,
  'a user is as he was last acknowledged': renamed,
  'one live record a unique value': uniques,
  'repetitions have one effect and one answer': replays,
  'merged data is in one place': merges,
  'an import does each row once': imports,
  'lists, search and totals verify after the sweep': derived,
  'no organization reads or changes what is of another': tenancy,
  'a fault is answered 503, never 500': answers,
} satisfies Record<string, Check>;

export type Promised = keyof typeof ALL;

export const PROMISES = Object.keys(ALL) as Promised[];

/**
 * What nobody knew the end of, and was sent again under its key, is what that came to: one effect,
 * and one answer.
 */
function settled(operations: readonly Operation[]): Operation[] {
  const known = new Set(
    operations.filter(({ outcome }) => outcome !== 'unknown').map(({ sent }) => sent.key),
  );
  const isSuperseded = ({ outcome, sent }: Operation) =>
    outcome === 'unknown' && sent.key !== null && known.has(sent.key);
  const repeated = new Set(operations.filter(isSuperseded).map(({ sent }) => sent.key));
  return operations
    .filter((one) => !isSuperseded(one))
    .map((one) =>
      one.sent.key !== null && repeated.has(one.sent.key)
        ? { ...one, attempts: one.attempts + 1 }
        : one,
    );
}

/** Whatever breaks a promise; empty where it is kept. */
export function findFaults(
  promise: Promised,
  operations: readonly Operation[],
  final: Final,
): string[] {
  return ALL[promise](settled(operations), final);
}
