// Histories made by hand: one that keeps every promise, and for each promise one that breaks it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findFaults, PROMISES, type Promised } from './checker.mts';
import type { Operation, Outcome, Sent } from './history.mts';
import type { EventBody, Final, RecordBody, UserBody } from './observed.mts';

const ORGANIZATION = 'org-a';
const OTHER = 'org-b';
let clock = 0;

type Given = Partial<Operation> & { method?: Sent['method']; path?: string; key?: string };

/** One operation after the other, each a while after the one before it. */
function operation(given: Given): Operation {
  const { method = 'POST', path = '/api/v1/contacts', key = null, ...rest } = given;
  clock += 10;
  return {
    id: clock / 10,
    client: 'c',
    organization: ORGANIZATION,
    workload: 'records',
    kind: 'create',
    marker: null,
    sent: { method, path, body: null, key, version: null },
    invokedAt: clock,
    endedAt: clock + 5,
    outcome: 'ok',
    status: 200,
    code: null,
    attempts: 1,
    data: null,
    tries: ['200'],
    ...rest,
  };
}

const record = (id: string, version: number, more: Partial<RecordBody> = {}): RecordBody => ({
  id,
  organization_id: ORGANIZATION,
  version,
  first_name: null,
  last_name: null,
  title: null,
  tags: [],
  emails: [],
  ...more,
});

const event = (version: number, marker: string): EventBody => ({
  version,
  kind: version === 1 ? 'created' : 'changed',
  changes: { title: { to: marker } },
});

const user = (id: string, email: string, firstName: string | null = null): UserBody => ({
  id,
  organization_id: ORGANIZATION,
  email,
  first_name: firstName,
  status: 'active',
});

type Own = Partial<Omit<Final['organizations'][number], 'id'>>;

const final = (own: Own, logins: Final['logins'] = []): Final => ({
  organizations: [
    { id: ORGANIZATION, users: [], contacts: [], histories: {}, verify: [], ...own },
    { id: OTHER, users: [], contacts: [], histories: {}, verify: [] },
  ],
  logins,
});

const create = (id: string, marker: string, more: Given = {}) =>
  operation({ marker, status: 201, data: record(id, 1), ...more });
const change = (
  id: string,
  version: number,
  marker: string,
  outcome: Outcome = 'ok',
  key?: string,
) =>
  operation({
    method: 'PATCH',
    path: `/api/v1/contacts/${id}`,
    kind: 'change',
    key,
    marker,
    outcome,
    data: outcome === 'ok' ? record(id, version) : null,
  });
const read = (id: string, version: number) =>
  operation({
    method: 'GET',
    path: `/api/v1/contacts/${id}`,
    kind: 'read',
    data: record(id, version),
  });
const register = (marker: string, more: Partial<Operation> = {}) =>
  operation({ path: '/api/auth/register', kind: 'organization', marker, ...more });
const addUser = (id: string, marker = 'x@example.com', more: Given = {}) =>
  operation({ kind: 'user', marker, data: { user: user(id, marker) }, ...more });
const rename = (marker: string, outcome: Outcome = 'ok') =>
  operation({ method: 'PATCH', path: '/api/v1/users/u', kind: 'rename', marker, outcome });
const unique = (id: string) => create(id, `m-${id}`, { workload: 'uniques' });
const remove = (id: string, outcome: Outcome = 'ok') =>
  operation({ method: 'DELETE', path: `/api/v1/contacts/${id}`, kind: 'remove', outcome });
const withEmail = (id: string) => record(id, 1, { emails: [{ value: 'p@example.com' }] });
const merge = (winner: string, took: boolean, outcome: Outcome = 'ok') =>
  operation({
    path: `/api/v1/contacts/${winner}/merge`,
    kind: 'merge',
    marker: 't',
    outcome,
    data: record(winner, 2, { tags: took ? ['t'] : [] }),
  });
const importOf = (outcome: Outcome) =>
  operation({
    kind: 'import',
    marker: 'i',
    outcome,
    sent: { method: 'POST', path: '', body: { rows: 2 }, key: null, version: null },
  });
const row = (id: string, name: string) => record(id, 1, { last_name: name, title: 'i' });
const intrude = (outcome: Outcome) =>
  operation({ kind: 'intrude', method: 'PATCH', marker: 'evil', outcome });

type Case = [name: string, operations: Operation[], final: Final];

const good: Case[] = [
  [
    'acknowledged edits, and an unknown one that is in',
    [create('r', 'a'), change('r', 2, 'b'), change('r', 0, 'c', 'unknown'), read('r', 3)],
    final({
      contacts: [record('r', 3)],
      histories: { r: [event(1, 'a'), event(2, 'b'), event(3, 'c')] },
    }),
  ],
  [
    'an unknown edit and a refused one that are not in',
    [create('r', 'a'), change('r', 0, 'b', 'unknown'), change('r', 0, 'c', 'fail')],
    final({ contacts: [record('r', 1)], histories: { r: [event(1, 'a')] } }),
  ],
  [
    'an edit whose answer got lost, and others that came after it',
    [change('r', 0, 'a', 'unknown', 'k'), change('r', 2, 'b'), change('r', 2, 'a', 'ok', 'k')],
    final({ histories: { r: [event(1, 'a'), event(2, 'b')] } }),
  ],
  [
    'one founder of three, an unknown one among them',
    [
      register('a@example.com'),
      register('b@example.com', { outcome: 'fail' }),
      register('c@example.com', { outcome: 'unknown' }),
    ],
    final({}, [
      { organization: ORGANIZATION, email: 'a@example.com', good: true },
      { organization: ORGANIZATION, email: 'b@example.com', good: false },
      { organization: ORGANIZATION, email: 'c@example.com', good: false },
    ]),
  ],
  [
    'a user, refused to the other',
    [
      addUser('u'),
      addUser('', undefined, { outcome: 'fail', data: null }),
      rename('a'),
      rename('b', 'unknown'),
    ],
    final({ users: [user('u', 'x@example.com', 'b')] }),
  ],
  [
    'an email that is given back and taken again',
    [unique('r'), remove('r'), unique('s'), unique('t'), remove('t', 'unknown')],
    final({
      contacts: [withEmail('s')],
      histories: { r: [event(1, 'm-r')], s: [event(1, 'm-s')], t: [event(1, 'm-t')] },
    }),
  ],
  [
    'a merge that took the loser, and one that came too late',
    [merge('w', true), merge('x', false, 'fail')],
    final({ contacts: [record('w', 2, { tags: ['t'] }), record('x', 1)] }),
  ],
  ['an import', [importOf('ok')], final({ contacts: [row('r', 'one'), row('s', 'two')] })],
  ['a stranger who is turned away', [intrude('fail')], final({})],
];

const bad: Record<Promised, Case[]> = {
  'no acknowledged version is missing': [
    ['lost', [create('r', 'a'), change('r', 2, 'b')], final({ histories: { r: [event(1, 'a')] } })],
    [
      'overwritten',
      [change('r', 2, 'b')],
      final({ histories: { r: [event(1, 'a'), event(2, 'c')] } }),
    ],
    ['without any trace', [create('r', 'a')], final({})],
    [
      'answered before it is there',
      [change('r', 0, 'b', 'unknown', 'k'), change('r', 1, 'b', 'ok', 'k')],
      final({ histories: { r: [event(1, 'a'), event(2, 'b')] } }),
    ],
  ],
  'no read is older than what was acknowledged before it': [
    ['older than a write', [change('r', 2, 'b'), read('r', 1)], final({})],
    ['older than a read', [read('r', 3), read('r', 2)], final({})],
  ],
  'versions are the acknowledged edits': [
    [
      'refused, and in',
      [change('r', 0, 'b', 'fail')],
      final({ histories: { r: [event(1, 'a'), event(2, 'b')] } }),
    ],
    [
      'in twice',
      [change('r', 2, 'b')],
      final({ histories: { r: [event(1, 'a'), event(2, 'b'), event(3, 'b')] } }),
    ],
    ['a gap', [], final({ histories: { r: [event(1, 'a'), event(3, 'b')] } })],
    [
      'a record behind its history',
      [],
      final({ contacts: [record('r', 1)], histories: { r: [event(1, 'a'), event(2, 'b')] } }),
    ],
  ],
  'one organization a name, one live user an email': [
    ['two founders', [register('a@example.com'), register('b@example.com')], final({})],
    [
      'a founder who cannot sign in',
      [register('a@example.com')],
      final({}, [{ organization: ORGANIZATION, email: 'a@example.com', good: false }]),
    ],
    [
      'somebody who was refused and can sign in',
      [register('a@example.com', { outcome: 'fail' })],
      final({}, [{ organization: ORGANIZATION, email: 'a@example.com', good: true }]),
    ],
    [
      'two acknowledged users of an email',
      [addUser('u'), addUser('v')],
      final({ users: [user('u', 'x@example.com')] }),
    ],
    [
      'two live users of an email',
      [addUser('u')],
      final({ users: [user('u', 'x@example.com'), user('v', 'x@example.com')] }),
    ],
    ['a user who is missing', [addUser('u')], final({})],
    [
      'a user who was there when the repetition was refused',
      [
        addUser('', undefined, { outcome: 'unknown', data: null, key: 'k' }),
        addUser('', undefined, { outcome: 'fail', data: null, key: 'k' }),
      ],
      final({ users: [user('u', 'x@example.com')] }),
    ],
    [
      'a user whom everybody was refused',
      [addUser('', undefined, { outcome: 'fail', data: null })],
      final({ users: [user('u', 'x@example.com')] }),
    ],
  ],
  'a user is as he was last acknowledged': [
    [
      'an older name',
      [rename('a'), rename('b')],
      final({ users: [user('u', 'x@example.com', 'a')] }),
    ],
  ],
  'one live record a unique value': [
    ['two records', [], final({ contacts: [withEmail('r'), withEmail('s')] })],
    ['missing', [unique('r')], final({})],
    ['deleted, and there', [unique('r'), remove('r')], final({ contacts: [withEmail('r')] })],
  ],
  'repetitions have one effect and one answer': [
    ['two ids', [create('r', 'a', { key: 'k' }), create('s', 'a', { key: 'k' })], final({})],
    [
      'acknowledged, then refused',
      [create('r', 'a', { key: 'k' }), create('', 'a', { key: 'k', outcome: 'fail', data: null })],
      final({}),
    ],
    [
      'two records',
      [create('r', 'a', { key: 'k' })],
      final({ histories: { r: [event(1, 'a')], s: [event(1, 'a')] } }),
    ],
  ],
  'merged data is in one place': [
    ['lost', [merge('w', false, 'unknown')], final({ contacts: [record('w', 2)] })],
    [
      'in two places',
      [merge('w', true)],
      final({ contacts: [record('w', 2, { tags: ['t'] }), record('l', 1, { tags: ['t'] })] }),
    ],
    [
      'given to two',
      [merge('w', true), merge('x', true)],
      final({ contacts: [record('w', 2, { tags: ['t'] })] }),
    ],
    [
      'acknowledged to one who has nothing of it',
      [merge('w', true), merge('x', false)],
      final({ contacts: [record('w', 2, { tags: ['t'] }), record('x', 1)] }),
    ],
    [
      'taken back from whom it was given to',
      [merge('w', true)],
      final({ contacts: [record('x', 2, { tags: ['t'] })] }),
    ],
  ],
  'an import does each row once': [
    ['a row is missing', [importOf('ok')], final({ contacts: [row('r', 'one')] })],
    [
      'a row is there twice',
      [importOf('unknown')],
      final({ contacts: [row('r', 'one'), row('s', 'one')] }),
    ],
    ['refused, and there', [importOf('fail')], final({ contacts: [row('r', 'one')] })],
  ],
  'lists, search and totals verify after the sweep': [
    ['a fault', [], final({ verify: ['missing contacts r'] })],
  ],
  'no organization reads or changes what is of another': [
    ['a foreign row', [operation({ data: [{ organization_id: OTHER }] })], final({})],
    ['a foreign record that answers', [intrude('ok')], final({})],
    ['a foreign write', [intrude('fail')], final({ histories: { r: [event(1, 'evil')] } })],
  ],
  'a fault is answered 503, never 500': [
    ['a 500', [operation({ tries: ['500 INTERNAL_ERROR', '200'] })], final({})],
  ],
};

void describe('The checker of the fault suite', () => {
  for (const promise of PROMISES) {
    for (const [title, operations, state] of good) {
      void test(`"${promise}" holds with ${title}`, () => {
        assert.deepEqual(findFaults(promise, operations, state), []);
      });
    }
    for (const [title, operations, state] of bad[promise]) {
      void test(`"${promise}" is broken: ${title}`, () => {
        assert.notDeepEqual(findFaults(promise, operations, state), []);
      });
    }
  }

  void test('has a broken history for each promise', () => {
    assert.deepEqual(Object.keys(bad), PROMISES);
  });
});
