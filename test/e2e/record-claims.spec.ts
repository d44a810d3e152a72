import { type Account, countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';

describe('A unique value of a record', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
    admin = await server.api.newAdmin();
  });
  afterAll(() => server.close());

  const create = (body: object) => server.api.post('/api/v1/companies', body, admin.token);
  const idOf = (response: { body: unknown }) => (response.body as { data: { id: string } }).data.id;

  it('stays its own when somebody tries to create the record a second time', async () => {
    const domains = ['again.example'];
    const id = idOf(await create({ name: 'First', domains }));
    const again = await create({ id, name: 'Again', domains });
    expect(again.body).toMatchObject({ code: 'DUPLICATE', details: { existing_id: id } });
    const taken = { field: 'domain', existing_id: id };
    expect((await create({ name: 'Other', domains })).body).toMatchObject({ details: taken });
  });

  it('stays its own when such an attempt fails over another value', async () => {
    const id = idOf(await create({ name: 'Mine', domains: ['mine.example'] }));
    await create({ name: 'Theirs', domains: ['theirs.example'] });
    const both = await create({ id, name: 'Both', domains: ['mine.example', 'theirs.example'] });
    expect(both.status).toBe(409);
    expect((await create({ name: 'Other', domains: ['mine.example'] })).status).toBe(409);
  });

  it('stays its own when many create the record at once', async () => {
    const id = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c77';
    const body = { id, name: 'Racer', domains: ['race.example'] };
    const answers = await Promise.all(Array.from({ length: 8 }, () => create(body)));
    expect(countStatuses(answers)[201]).toBe(1);
    expect((await create({ name: 'Other', domains: body.domains })).status).toBe(409);
  });
});
