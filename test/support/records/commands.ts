import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Fault } from './faulty-cassandra';
import { type Action, type Command, LEASE_MS, type ObjectKind, type Values } from './world';

export const WRITERS = 3;
const SLOTS = 3;
const UNIQUES = 3;
/** Calls of the database of a write, and of a merge. */
const CALLS = 14;
const MERGE_CALLS = 60;

const object = fc.constantFrom<ObjectKind>('contacts', 'contacts', 'companies');
const slot = fc.nat(SLOTS - 1);

const values: fc.Arbitrary<Values> = fc.record(
  {
    uniques: fc.uniqueArray(fc.nat(UNIQUES - 1), { maxLength: 2 }),
    tags: fc.uniqueArray(fc.nat(2), { maxLength: 2 }),
    company: fc.option(slot),
    isMine: fc.boolean(),
    external: fc.option(fc.nat(1)),
  },
  { requiredKeys: ['uniques'] },
);
const firstValues = values.map((one): Values => ({ ...one, external: one.external ?? undefined }));

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('create'),
      object,
      slot: fc.constant(SLOTS),
      values: firstValues,
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('patch'), object, slot, values }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete'), object, slot }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('restore'), object, slot }) },
  {
    weight: 3,
    arbitrary: fc
      .record({
        kind: fc.constant('merge'),
        object,
        slot,
        losers: fc.uniqueArray(slot, { minLength: 1, maxLength: 2 }),
      })
      .filter(({ slot: winner, losers }) => !losers.includes(winner)),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('upsert'),
      object,
      key: fc.nat(1),
      values: firstValues.map((one) => ({ ...one, external: undefined })),
    }),
  },
);

/** Milliseconds that a writer stands still for, or none: then it dies. */
const fault: fc.Arbitrary<Fault> = fc
  .record({
    at: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 1, max: CALLS }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: MERGE_CALLS }) },
    ),
    when: fc.constantFrom('before', 'half', 'after'),
    stall: fc.option(fc.integer({ min: 5, max: 4 * LEASE_MS }), { freq: 1 }),
  })
  .map(({ at, when, stall }) => {
    const wait = stall === null ? {} : { wait: () => sleep(stall) };
    return {
      at,
      when,
      ...wait,
      [fc.toStringMethod]: () => `${when} ${String(at)} ${String(stall)}`,
    };
  });

const command: fc.Arbitrary<Command> = fc.record(
  {
    writer: fc.nat(WRITERS - 1),
    action,
    pause: fc.nat(20),
    faults: fc.array(fault, { maxLength: 2 }),
    repeat: fc.constantFrom('after', 'during', undefined),
    swept: fc.boolean(),
  },
  { requiredKeys: ['writer', 'action', 'faults'] },
);

/** A record that is there from the beginning; each has a value of its own or none. */
function beginning(kind: ObjectKind, own: number): fc.Arbitrary<Action> {
  return values.map((one) => ({
    kind: 'create',
    object: kind,
    slot: own,
    values: { tags: one.tags, uniques: (one.uniques ?? []).length > 0 ? [own] : [] },
  }));
}

/** What happens to one world: beginnings without faults, then everything at once. */
export const program = fc.record({
  beginnings: fc.tuple(
    ...Array.from({ length: SLOTS }, (_, one) =>
      fc.tuple(beginning('contacts', one), beginning('companies', one)),
    ),
  ),
  commands: fc.array(command, { minLength: 6, maxLength: 18 }),
  sweepFaults: fc.array(fault, { maxLength: 1 }),
});

export type Program = typeof program extends fc.Arbitrary<infer P> ? P : never;
