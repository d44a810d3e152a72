import { setTimeout as sleep } from 'node:timers/promises';
import { countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import {
  Crm,
  dataOf,
  expectDuplicate,
  faultsOf,
  type RecordBody,
  UNKNOWN_ID,
} from '../support/records';

/** Changes of each writer in the race below; more of them where somebody has the time. */
const INCREMENTS = Number(process.env.RACE_INCREMENTS ?? 4);
const WRITERS = 50;

describe('A write of a record', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  describe('by PATCH', () => {
    it('merges: what is left out stays, null clears, objects are merged, lists replaced', async () => {
      const made = await crm.create('contacts', {
        first_name: 'Bob',
        last_name: 'Jones',
        emails: [{ value: 'a@b.example' }, { value: 'c@b.example' }],
        address: { street: '1 Main Street', city: 'Berlin', country: 'DE' },
        tags: ['a', 'b'],
        external_ids: { erp: '1', hubspot: '2' },
      });
      const changed = await crm.patch('contacts', made.id, {
        first_name: null,
        emails: [{ value: 'c@b.example' }],
        address: { city: 'Bonn', street: null },
        tags: ['b'],
        external_ids: { erp: null, other: '3' },
      });
      expect(changed).toEqual({
        ...made,
        version: 2,
        first_name: null,
        emails: [{ value: 'c@b.example', label: null, primary: true }],
        address: { ...(made.address as object), city: 'Bonn', street: null },
        tags: ['b'],
        external_ids: { hubspot: '2', other: '3' },
        updated_at: expect.any(String) as string,
      });
      const cleared = await crm.patch('contacts', made.id, {
        address: null,
        tags: null,
        emails: null,
      });
      expect(cleared).toMatchObject({ address: null, tags: [], emails: [], last_name: 'Jones' });
      // What was given up is free.
      await crm.create('contacts', { last_name: 'X', external_ids: { erp: '1' } });
      await crm.create('contacts', { emails: [{ value: 'a@b.example' }] });
    });

    it('makes no version of what changes nothing', async () => {
      const made = await crm.create('contacts', { last_name: 'Jones', tags: ['a'] });
      for (const body of [{}, { last_name: ' Jones ' }, { tags: ['a'], title: null }]) {
        expect(await crm.patch('contacts', made.id, body)).toEqual(made);
      }
    });

    it('refuses unknown and server-owned fields, and leaves the record alone', async () => {
      const made = await crm.create('contacts', { last_name: 'Jones' });
      for (const field of ['id', 'version', 'created_at', 'updated_by', 'merged_into', 'nick']) {
        const refused = await crm.send('patch', `contacts/${made.id}`, { title: 'X', [field]: 1 });
        expect(faultsOf(refused)).toEqual([`${field} unknownField`]);
      }
      const nested = await crm.send('patch', `contacts/${made.id}`, { address: { zip: '1' } });
      expect(faultsOf(nested)).toEqual(['address.zip unknownField']);
      expect(await crm.read('contacts', made.id)).toEqual(made);
    });
  });

  describe('with a precondition', () => {
    it('applies to the version it names, and is told what changed since', async () => {
      const { id } = await crm.create('contacts', { last_name: 'Jones' });
      const path = `contacts/${id}`;
      const first = await crm.send('patch', path, { title: 'CTO' }, { 'If-Match': '"1"' });
      expect([first.status, first.headers.etag]).toEqual([200, '"2"']);
      await crm.patch('contacts', id, { tags: ['x'], last_name: 'Smith' });
      const late = await crm.send('patch', path, { title: 'CEO' }, { 'If-Match': '"2"' });
      expect(late.status).toBe(412);
      expectError(late.body, 'PRECONDITION_FAILED');
      const details = { current_version: 3, changed_fields: ['last_name', 'tags'] };
      expect(late.body).toMatchObject({ details });
      const removal = await crm.send('delete', path, undefined, { 'If-Match': '"1"' });
      expect(removal.body).toMatchObject({
        details: { current_version: 3, changed_fields: ['last_name', 'tags', 'title'] },
      });
      const anyOf = await crm.send('patch', path, { title: 'A' }, { 'If-Match': '"1", "3"' });
      expect(anyOf.status).toBe(200);
      const any = await crm.send('patch', path, { title: 'B' }, { 'If-Match': '*' });
      expect(dataOf(any)).toMatchObject({ version: 5, title: 'B' });
      const gone = await crm.send('delete', path, undefined, { 'If-Match': '"5"' });
      expect(gone.status).toBe(204);
    });

    it.each(['5', 'W/"1"', '"x"', '"1" "2"', '', '"-1"', '"1'])('refuses %j', async (tag) => {
      const { id } = await crm.create('contacts', { last_name: 'Jones' });
      const headers = { 'If-Match': tag };
      const patched = await crm.send('patch', `contacts/${id}`, { title: 'X' }, headers);
      const removed = await crm.send('delete', `contacts/${id}`, undefined, headers);
      expect([patched, removed].flatMap(faultsOf)).toEqual(Array(2).fill('If-Match isEtag'));
    });

    it('is 404 for what is not there, whatever it asks for', async () => {
      const headers = { 'If-Match': '"1"' };
      const answer = await crm.send('patch', `contacts/${UNKNOWN_ID}`, { title: 'X' }, headers);
      expectError(answer.body, 'NOT_FOUND');
    });

    it('reads nothing again that the client has', async () => {
      const { id } = await crm.create('contacts', { last_name: 'Jones' });
      for (const tag of ['"1"', 'W/"1"', '"7", "1"', '*']) {
        const same = await crm.get(`contacts/${id}`, { 'If-None-Match': tag });
        expect([same.status, same.text, same.headers.etag]).toEqual([304, '', '"1"']);
      }
      const other = await crm.get(`contacts/${id}`, { 'If-None-Match': '"2"' });
      expect([other.status, other.headers.etag]).toEqual([200, '"1"']);
    });

    it(
      `of ${String(WRITERS)} writers each loses no update of another`,
      async () => {
        const { id } = await crm.create('companies', { name: 'Counter', size: 0 });
        const path = `companies/${id}`;
        let done = 0;
        const seen = new Map<number, number>();
        const writer = async () => {
          for (let left = INCREMENTS; left > 0;) {
            const begun = performance.now();
            const { size, version } = await crm.read('companies', id);
            const body = { size: Number(size) + 1 };
            const answer = await crm.send('patch', path, body, {
              'If-Match': `"${String(version)}"`,
            });
            seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
            if (answer.status !== 200) {
              // Fifty that come back at once would only be in each other's way, however slow it is.
              await sleep(Math.random() * WRITERS * (performance.now() - begun));
              continue;
            }
            left--;
            done++;
          }
        };
        await Promise.all(Array.from({ length: WRITERS }, writer));
        const total = WRITERS * INCREMENTS;
        expect([...seen.keys()].filter((status) => ![200, 409, 412, 503].includes(status))).toEqual(
          [],
        );
        expect([done, seen.get(200)]).toEqual([total, total]);
        expect(await crm.read('companies', id)).toMatchObject({ size: total, version: total + 1 });
        const events = (await crm.walk(`${path}/history`, { limit: 200 })) as unknown as {
          version: number;
          changes: { size: { to: number } };
        }[];
        expect(events.map(({ version }) => version)).toEqual(
          Array.from({ length: total + 1 }, (_, at) => total + 1 - at),
        );
        expect(events.map(({ changes }) => changes.size.to)).toEqual(
          Array.from({ length: total + 1 }, (_, at) => total - at),
        );
      },
      60_000 + 500 * WRITERS * INCREMENTS,
    );
  });

  describe('by PUT of an external id', () => {
    it('creates, then changes as PATCH does', async () => {
      const path = 'contacts/external/hubspot/47%2F11%20%C3%A4';
      const put = (body: object, headers = {}) => crm.send('put', path, body, headers);
      const created = await put({ last_name: 'Jones', title: 'CTO' });
      expect(created.status).toBe(201);
      const first = dataOf(created);
      expect(first.external_ids).toEqual({ hubspot: '47/11 \u00e4' });
      const changed = await put({ title: null, external_ids: { erp: '1' } });
      expect(changed.status).toBe(200);
      expect(dataOf(changed)).toMatchObject({
        id: first.id,
        version: 2,
        last_name: 'Jones',
        title: null,
        external_ids: { hubspot: '47/11 \u00e4', erp: '1' },
      });
      expect((await put({ title: 'X' }, { 'If-Match': '"1"' })).status).toBe(412);
      expect(faultsOf(await put({ nick: 1 }))).toEqual(['nick unknownField']);
      await crm.remove('contacts', first.id);
      const again = await put({ last_name: 'New' });
      expect(again.status).toBe(201);
      expect(dataOf(again).id).not.toBe(first.id);
      expectDuplicate(
        await crm.send('post', `contacts/${first.id}/restore`),
        'external:hubspot',
        dataOf(again).id,
      );
    });

    it('makes one record, of twenty at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          crm.send('put', 'companies/external/erp/1', { name: 'Acme', size: at }),
        ),
      );
      expect(countStatuses(answers)).toEqual({ 200: 19, 201: 1 });
      expect(new Set(answers.map((answer) => dataOf(answer).id)).size).toBe(1);
      const { data } = await crm.page('companies');
      expect(data).toHaveLength(1);
      // The nineteen that came later changed it, but for one that may have found its own size.
      expect((data[0] as RecordBody).version).toBeGreaterThanOrEqual(19);
    });

    it.each(['Hub', 'hub%20spot', 'x'.repeat(41)])('refuses the system %s', async (source) => {
      const answer = await crm.send('put', `contacts/external/${source}/1`, { last_name: 'J' });
      expect(faultsOf(answer)).toEqual(['source matches']);
    });
  });

  it('takes no external ids that are no map, and no body with more entries than any can have', async () => {
    for (const external_ids of ['ab', ['x'], 5]) {
      const body = { last_name: 'J', external_ids };
      const answer = await crm.send('put', 'contacts/external/erp/1', body);
      expect(faultsOf(answer)).toEqual(['external_ids invalid_type']);
    }
    const map = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${String(at)}`, 0]));
    const items = [{ data: { last_name: 'J', custom: map(150_000) } }];
    const huge = await crm.send('post', 'contacts/batch', { operation: 'create', items });
    expect(faultsOf(huge)).toEqual([' maxEntries']);
    const many = await crm.send('post', 'contacts', { last_name: 'J', custom: map(1000) });
    expect(faultsOf(many)).toHaveLength(100);
    expect((await crm.page('contacts')).data).toEqual([]);
  });

  it('is kept in its history, newest first', async () => {
    const { id } = await crm.create('contacts', { last_name: 'Jones' });
    await crm.patch('contacts', id, { last_name: 'Smith', tags: ['a'] });
    await crm.remove('contacts', id);
    await crm.send('delete', `contacts/${id}`);
    await crm.restore('contacts', id);
    await crm.restore('contacts', id);
    const events = await crm.walk(`contacts/${id}/history`, { limit: 1 });
    expect(events.map(({ version, kind }) => [version, kind])).toEqual([
      [4, 'restored'],
      [3, 'deleted'],
      [2, 'updated'],
      [1, 'created'],
    ]);
    expect(events[2]).toEqual({
      version: 2,
      at: expect.any(String) as string,
      kind: 'updated',
      actor_id: crm.account.id,
      api_key_id: null,
      changes: { last_name: { from: 'Jones', to: 'Smith' }, tags: { from: [], to: ['a'] } },
    });
    expect(events[3]?.changes).toMatchObject({ last_name: { to: 'Jones' } });
  });
});
