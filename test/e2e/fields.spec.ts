import type { Response } from 'supertest';
import type { ErrorCode } from '../../src/common/errors';
import { FIELD_KINDS } from '../../src/fields/field';
import type { Account } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

interface FieldBody {
  key: string;
  label: string;
  archived: boolean;
  updated_at: string;
}
interface EntryBody {
  action: string;
  outcome: string;
  target_id: string;
  details: Record<string, string> | null;
}

const dataOf = (response: Response) => (response.body as { data: FieldBody }).data;
const listOf = (response: Response) => (response.body as { data: FieldBody[] }).data;

const faultsOf = (response: Response) =>
  (response.body as { details: { field: string }[] }).details.map(({ field }) => field);

function expectRefusal(response: Response, status: number, code: ErrorCode): void {
  expect([response.status, response.body]).toEqual([
    status,
    expect.objectContaining({ code }) as object,
  ]);
  expectError(response.body, code);
}

describe('Custom fields', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });

  const path = '/api/v1/fields/contacts';
  const text = (key: string) => ({ key, label: key, kind: 'text' });
  const tier = { key: 'tier', label: 'Tier', kind: 'select', options: ['gold', 'silver'] };
  const post = (body: object, url = path, token = admin.token) => server.api.post(url, body, token);
  const patch = (key: string, body: object) =>
    server.api.patch(`${path}/${key}`, body, admin.token);
  const archive = (key: string) => server.api.delete(`${path}/${key}`, admin.token);
  const get = (rest = '') => server.api.get(`${path}${rest}`, admin.token);
  const keys = async (query = '') => listOf(await get(query)).map(({ key }) => key);
  const entries = async () => {
    const response = await server.api.get('/api/v1/audit?limit=200', admin.token);
    return (response.body as { data: EntryBody[] }).data.filter(({ action }) =>
      action.startsWith('field.'),
    );
  };

  it('are created, read, listed, changed and archived', async () => {
    const created = await post({ ...tier, indexed: true });
    expect(created.status).toBe(201);
    const time = expect.stringMatching(/^\d{4}-.*Z$/) as string;
    const field = {
      object: 'contacts',
      key: 'tier',
      label: 'Tier',
      kind: 'select',
      required: false,
      unique: false,
      indexed: true,
      options: ['gold', 'silver'],
      reference_to: null,
      archived: false,
      created_at: time,
      updated_at: time,
    };
    expect(dataOf(created)).toEqual(field);
    expect((await get('/tier')).body).toEqual(created.body);
    await post(text('a_first'));
    expect(await keys()).toEqual(['a_first', 'tier']);
    expect(listOf(await get())[1]).toEqual(dataOf(created));
    expect(listOf(await server.api.get('/api/v1/fields/deals', admin.token))).toEqual([]);

    const change = { label: 'Level', required: true, options: ['bronze', 'silver', 'gold'] };
    const changed = await patch('tier', change);
    expect(changed.status).toBe(200);
    expect(dataOf(changed)).toEqual({ ...field, ...change });
    expect(dataOf(await get('/tier'))).toEqual(dataOf(changed));
    // The same again is no change.
    expect(dataOf(await patch('tier', { label: 'Level' }))).toEqual(dataOf(changed));
    expect(dataOf(await patch('tier', {}))).toEqual(dataOf(changed));

    for (const attempt of [1, 2]) {
      expect([attempt, (await archive('tier')).status]).toEqual([attempt, 204]);
    }
    expect(await keys()).toEqual(['a_first']);
    expect(await keys('?archived=false')).toEqual(['a_first']);
    expect(await keys('?archived=true')).toEqual(['a_first', 'tier']);
    expect(dataOf(await get('/tier'))).toMatchObject({ label: 'Level', archived: true });
  });

  it('are of twelve kinds, for the four kinds of records', async () => {
    for (const kind of FIELD_KINDS) {
      const more = kind.endsWith('select')
        ? { options: ['a'] }
        : kind === 'reference'
          ? { reference_to: 'companies' }
          : {};
      const response = await post({ key: `a_${kind}`, label: kind, kind, ...more });
      expect([kind, response.status]).toEqual([kind, 201]);
    }
    expect(await keys()).toHaveLength(12);
    for (const object of ['companies', 'deals', 'activities']) {
      const url = `/api/v1/fields/${object}`;
      expect((await post(text('same'), url)).status).toBe(201);
      expect(listOf(await server.api.get(url, admin.token))).toMatchObject([{ object }]);
    }
  });

  it('are there for four kinds of records, and for no other', async () => {
    for (const object of ['users', 'Contacts', 'constructor', '%00']) {
      const url = `/api/v1/fields/${object}`;
      expectRefusal(await server.api.get(url, admin.token), 404, 'NOT_FOUND');
      expectRefusal(await post(text('x'), url), 404, 'NOT_FOUND');
      for (const method of ['get', 'patch', 'delete'] as const) {
        const body = method === 'patch' ? {} : undefined;
        const response = await server.api.call(method, `${url}/x`, body, admin.token);
        expectRefusal(response, 404, 'NOT_FOUND');
      }
    }
    for (const key of ['unknown', 'Tier', "'"]) {
      expectRefusal(await get(`/${key}`), 404, 'NOT_FOUND');
      expectRefusal(await patch(key, { label: 'x' }), 404, 'NOT_FOUND');
      expectRefusal(await archive(key), 404, 'NOT_FOUND');
    }
    expectRefusal(await get('?archived=1'), 400, 'VALIDATION_FAILED');
    expectRefusal(await get('?archived=true&archived=true'), 400, 'VALIDATION_FAILED');
  });

  const good = { key: 'x', label: 'X', kind: 'text' };
  const many = (count: number) => Array.from({ length: count }, (_, index) => `o${String(index)}`);
  it.each([
    [{}, 'key'],
    [{ ...good, key: 'X' }, 'key'],
    [{ ...good, key: '1x' }, 'key'],
    [{ ...good, key: 'x'.repeat(41) }, 'key'],
    [{ ...good, key: 'x\n' }, 'key'],
    [{ ...good, key: 'constructor' }, 'key'],
    [{ ...good, label: ' ' }, 'label'],
    [{ ...good, label: 'ü'.repeat(51) }, 'label'],
    [{ ...good, kind: 'object' }, 'kind'],
    [{ ...good, required: 'true' }, 'required'],
    [{ ...good, unique: null }, 'unique'],
    [{ ...good, indexed: 1 }, 'indexed'],
    [{ ...good, archived: true }, 'archived'],
    [{ ...good, options: ['a'] }, 'options'],
    [{ ...good, kind: 'select' }, 'options'],
    [{ ...good, kind: 'select', options: [] }, 'options'],
    [{ ...good, kind: 'select', options: ['a', ' a'] }, 'options'],
    [{ ...good, kind: 'select', options: ['é', 'e\u0301'] }, 'options'],
    [{ ...good, kind: 'select', options: [''] }, 'options'],
    [{ ...good, kind: 'select', options: ['x'.repeat(101)] }, 'options'],
    [{ ...good, kind: 'select', options: [1] }, 'options'],
    [{ ...good, kind: 'multi_select', options: many(201) }, 'options'],
    [{ ...good, kind: 'multi_select', options: 'abc' }, 'options'],
    [{ ...good, kind: 'reference' }, 'reference_to'],
    [{ ...good, kind: 'reference', reference_to: 'users' }, 'reference_to'],
    [{ ...good, reference_to: 'deals' }, 'reference_to'],
    [{ ...good, kind: 'boolean', unique: true }, 'unique'],
    [{ ...good, kind: 'money', indexed: true }, 'indexed'],
  ])('refuse %j for its %s', async (body, field) => {
    const response = await post(body);
    expectRefusal(response, 400, 'VALIDATION_FAILED');
    expect(faultsOf(response)).toContain(field);
    expect(await keys('?archived=true')).toEqual([]);
  });

  it.each([
    { kind: 'number' },
    { unique: true },
    { indexed: true },
    { reference_to: 'deals' },
    { key: 'other' },
    { archived: true },
    { label: null },
    { required: null },
    { options: null },
    { options: [] },
  ])('refuse to change to %j', async (body) => {
    const [field = ''] = Object.keys(body);
    const before = dataOf(await post(tier));
    const response = await patch('tier', body);
    expectRefusal(response, 400, 'VALIDATION_FAILED');
    expect(faultsOf(response)).toContain(field);
    expect(dataOf(await get('/tier'))).toEqual(before);
  });

  it('keep the options they have', async () => {
    await post(tier);
    const fewer = await patch('tier', { options: ['gold', 'bronze'] });
    expectRefusal(fewer, 422, 'UNPROCESSABLE');
    expect(fewer.body).toMatchObject({ details: { reason: 'option_removed' } });
    expect(dataOf(await get('/tier'))).toMatchObject({ options: ['gold', 'silver'] });
    await post(text('note'));
    expectRefusal(await patch('note', { options: ['a'] }), 400, 'VALIDATION_FAILED');
  });

  it('have one key each; an archived one comes back as what it was', async () => {
    await post({ ...tier, indexed: true });
    const twice = await post(text('tier'));
    expectRefusal(twice, 409, 'DUPLICATE');
    expect(twice.body).toMatchObject({ details: { field: 'key', existing_id: 'tier' } });

    await archive('tier');
    expectRefusal(await patch('tier', { label: 'x' }), 409, 'CONFLICT');
    for (const other of [
      text('tier'),
      { ...tier, indexed: false },
      { ...tier, kind: 'multi_select', indexed: true },
    ]) {
      expectRefusal(await post(other), 409, 'CONFLICT');
    }
    expectRefusal(await post({ ...tier, indexed: true, options: ['gold'] }), 422, 'UNPROCESSABLE');
    expect(dataOf(await get('/tier')).archived).toBe(true);

    const back = await post({ ...tier, label: 'Again', required: true, indexed: true });
    expect(back.status).toBe(201);
    expect(dataOf(back)).toMatchObject({ label: 'Again', required: true, archived: false });
    expect(dataOf(await get('/tier'))).toEqual(dataOf(back));
    expect(await keys()).toEqual(['tier']);
  });

  it('leave an entry for every change, and for every refusal', async () => {
    await post(tier);
    await post(tier);
    await patch('tier', { label: 'Level', options: ['gold', 'silver', 'bronze'] });
    await patch('tier', { label: 'Level' });
    await archive('tier');
    await archive('tier');
    const target_id = 'contacts/tier';
    const created = {
      action: 'field.created',
      target_id,
      details: { kind: 'select', label: 'Tier' },
    };
    expect(await entries()).toMatchObject([
      { action: 'field.archived', target_id, outcome: 'success', details: null },
      {
        action: 'field.changed',
        target_id,
        outcome: 'success',
        details: { label: 'Level', options: '3' },
      },
      { ...created, outcome: 'refused' },
      { ...created, outcome: 'success' },
    ]);
  });

  it('are for admins and their programs to manage, and for everybody to read', async () => {
    await post(tier);
    const made = { name: 'x', role: 'admin' };
    const response = await server.api.post('/api/v1/api-keys', made, admin.token);
    const { key } = (response.body as { data: { key: string } }).data;
    expect((await post(text('by_key'), path, key)).status).toBe(201);
    for (const role of ['viewer', 'member', 'manager']) {
      const { token } = await server.api.newUser(admin, role);
      expect(listOf(await server.api.get(path, token))).toHaveLength(2);
      expect((await server.api.get(`${path}/tier`, token)).status).toBe(200);
      for (const refused of [
        await post(text('x'), path, token),
        await server.api.patch(`${path}/tier`, { label: 'x' }, token),
        await server.api.delete(`${path}/tier`, token),
      ]) {
        expectRefusal(refused, 403, 'FORBIDDEN');
        expect(refused.body).toMatchObject({ details: { permission: 'fields:manage' } });
      }
    }
  });

  it('are nothing to another organization, which has the same keys for itself', async () => {
    await post(tier);
    const { token } = await server.api.newAdmin();
    expect(listOf(await server.api.get(path, token))).toEqual([]);
    expectRefusal(await server.api.get(`${path}/tier`, token), 404, 'NOT_FOUND');
    expect((await post(text('tier'), path, token)).status).toBe(201);
    expect((await server.api.delete(`${path}/tier`, token)).status).toBe(204);
    expect(dataOf(await get('/tier'))).toMatchObject({ kind: 'select', archived: false });
  });
});
