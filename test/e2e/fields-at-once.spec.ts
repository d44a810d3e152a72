import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'supertest';
import type { Field } from '../../src/fields/field';
import { FieldsRepository } from '../../src/fields/fields.repository';
import { FieldsService } from '../../src/fields/fields.service';
import { type Account, countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

const path = '/api/v1/fields/contacts';
const tier = { key: 'tier', label: 'Tier', kind: 'select', options: ['gold', 'silver'] };
const text = (key: string) => ({ key, label: key, kind: 'text' });
const many = (count: number) => Array.from({ length: count }, (_, index) => `o${String(index)}`);

function expectRefusal(response: Response, code: 'CONFLICT' | 'DUPLICATE'): void {
  expect(response.status).toBe(409);
  expectError(response.body, code);
}

describe('Custom fields, many at once', () => {
  let server: TestApp;
  let service: FieldsService;
  let repository: FieldsRepository;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
    service = server.app.get(FieldsService, { strict: false });
    repository = server.app.get(FieldsRepository, { strict: false });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const post = (body: object) => server.api.post(path, body, admin.token);
  const patch = (key: string, body: object) =>
    server.api.patch(`${path}/${key}`, body, admin.token);
  const archive = (key: string) => server.api.delete(`${path}/${key}`, admin.token);
  const keys = async (query = '') => {
    const { body } = (await server.api.get(`${path}${query}`, admin.token)) as {
      body: { data: { key: string }[] };
    };
    return body.data.map(({ key }) => key);
  };

  /** Nobody goes on before so many have read the fields: all of them decide by the same state. */
  function readTogether(count: number): void {
    const list = repository.list.bind(repository);
    let waiting = count;
    let goOn: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    jest.spyOn(repository, 'list').mockImplementation(async (...args) => {
      const fields = await list(...args);
      waiting--;
      if (waiting <= 0) goOn();
      await all;
      return fields;
    });
  }

  it('lose no change of many at once, and are created once', async () => {
    readTogether(5);
    const created = await Promise.all(Array.from({ length: 5 }, () => post(tier)));
    expect(countStatuses(created)).toEqual({ 201: 1, 409: 4 });
    jest.restoreAllMocks();
    readTogether(3);
    const responses = await Promise.all([
      patch('tier', { label: 'Level' }),
      patch('tier', { required: true }),
      patch('tier', { options: ['gold', 'silver', 'bronze'] }),
    ]);
    expect(countStatuses(responses)).toEqual({ 200: 3 });
    const changed = await server.api.get(`${path}/tier`, admin.token);
    expect(changed.body).toMatchObject({
      data: { label: 'Level', required: true, options: ['gold', 'silver', 'bronze'] },
    });
  });

  it('are 200 of a kind of record at most, and 400 with the archived ones', async () => {
    for (const key of many(190)) expect((await post(text(key))).status).toBe(201);
    readTogether(20);
    const race = await Promise.all(
      Array.from({ length: 20 }, (_, index) => post(text(`race${String(index)}`))),
    );
    expect(countStatuses(race)).toEqual({ 201: 10, 409: 10 });
    for (const { body } of race.filter(({ status }) => status === 409)) {
      expect(body).toMatchObject({ message: expect.stringContaining('200 fields') as string });
      expectError(body, 'CONFLICT');
    }
    expect(await keys()).toHaveLength(200);
    // One that is in use is named as such also when there is no room.
    expectRefusal(await post(text('o0')), 'DUPLICATE');

    // Room is made by archiving, and what is archived must find room again.
    await archive('o0');
    expect((await post(text('another'))).status).toBe(201);
    expectRefusal(await post(text('o0')), 'CONFLICT');

    // The rest up to 400, without a request for each.
    const { organizationId } = admin;
    const [model] = await service.of(organizationId, 'contacts');
    let { changes } = await repository.list(organizationId, 'contacts', 400);
    for (const key of many(398).slice(199)) {
      const field = { ...model, key, archived: true, version: 1 } as Field;
      expect(await repository.save(field, changes)).toBe(true);
      changes = (changes ?? 0) + 1;
    }
    expect(await keys('?archived=true')).toHaveLength(400);
    await archive('another');
    expectRefusal(await post(text('one_too_many')), 'CONFLICT');
    expect((await post(text('o0'))).status).toBe(201);
  }, 120_000);

  it('have 5000 options together at most', async () => {
    for (let index = 0; index < 25; index++) {
      const body = { key: `s${String(index)}`, label: 'x', kind: 'select', options: many(200) };
      expect((await post(body)).status).toBe(201);
    }
    expectRefusal(await post(tier), 'CONFLICT');
    expect((await post(text('note'))).status).toBe(201);
  });

  it('are indexed up to 30 times', async () => {
    for (const key of many(30)) {
      expect((await post({ ...text(key), indexed: true })).status).toBe(201);
    }
    expectRefusal(await post({ ...text('more'), indexed: true }), 'CONFLICT');
    expect((await post(text('more'))).status).toBe(201);
    await archive('o0');
    expect((await post({ ...text('room'), indexed: true })).status).toBe(201);
  });

  it('are known to the records within a second, and at once where they are changed', async () => {
    const { organizationId } = admin;
    const of = async (fresh = false) =>
      (await service.of(organizationId, 'contacts', fresh)).map(({ key }) => key);
    expect(await of()).toEqual([]);
    await post(tier);
    expect(await of()).toEqual(['tier']);
    await archive('tier');
    const [field] = await service.of(organizationId, 'contacts');
    expect(field).toMatchObject({ key: 'tier', archived: true });

    // As another process would change them.
    const addBehind = async (key: string) => {
      const { changes } = await repository.list(organizationId, 'contacts', 400);
      expect(await repository.save({ ...field, key, version: 1 } as Field, changes)).toBe(true);
    };
    const start = performance.now();
    expect(await of(true)).toEqual(['tier']);
    await addBehind('zeal');
    const soon = await of();
    // On a machine that is too busy the second is over by now.
    if (performance.now() - start < 1000) expect(soon).toEqual(['tier']);
    expect(await of(true)).toEqual(['tier', 'zeal']);
    await addBehind('zone');
    await sleep(1000);
    expect(await of()).toEqual(['tier', 'zeal', 'zone']);
  });

  it('are not remembered when they could not be read', async () => {
    jest.spyOn(repository, 'list').mockRejectedValueOnce(new Error('away'));
    await expect(service.of(admin.organizationId, 'deals')).rejects.toThrow('away');
    expect(await service.of(admin.organizationId, 'deals')).toEqual([]);
  });
});
