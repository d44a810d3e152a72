import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm, faultsOf, idsOf, UNKNOWN_ID } from '../support/records';

describe('A merge', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });
  const contact = (last_name: string, body: object = {}) =>
    crm.create('contacts', { last_name, ...body });
  const found = async (query: Record<string, string>) =>
    idsOf((await crm.page('contacts', query)).data);

  it('refuses what is not there, is not another, or would not be a record', async () => {
    const stranger = new Crm(server.url, await server.api.newAdmin());
    const foreign = await stranger.create('contacts', { last_name: 'Foreign' });
    const [winner, gone, merged] = [await contact('W'), await contact('G'), await contact('M')];
    await crm.remove('contacts', gone.id);
    await crm.merge('contacts', winner.id, merged.id);
    const company = await crm.create('companies', { name: 'Acme' });
    const merge = (id: string, ...loser_ids: unknown[]) =>
      crm.send('post', `contacts/${id}/merge`, { loser_ids });
    for (const id of [foreign.id, gone.id, merged.id, company.id, UNKNOWN_ID]) {
      const other = await contact('X');
      expectError((await merge(winner.id, other.id, id)).body, 'NOT_FOUND');
      expectError((await merge(id, other.id)).body, 'NOT_FOUND');
      // All or nothing.
      expect((await crm.read('contacts', other.id)).version).toBe(1);
    }
    expect(faultsOf(await merge(winner.id, winner.id))).toEqual(['loser_ids others']);
    expect(faultsOf(await merge(winner.id))).toEqual(['loser_ids arrayMinSize']);
    expect(faultsOf(await merge(winner.id, gone.id, gone.id))).toEqual(['loser_ids arrayUnique']);
    expect(faultsOf(await merge(winner.id, 'x'))).toEqual(['loser_ids isUuid']);
    expect(
      faultsOf(
        await merge(
          winner.id,
          ...Array.from({ length: 11 }, (_, at) => UNKNOWN_ID.slice(0, -2) + String(at + 10)),
        ),
      ),
    ).toEqual(['loser_ids arrayMaxSize']);
    const many = (prefix: string) => ({
      emails: Array.from({ length: 11 }, (_, at) => ({
        value: `${prefix}${String(at)}@b.example`,
      })),
    });
    const [big, bigger] = [await contact('B', many('a')), await contact('B', many('b'))];
    const refused = await merge(big.id, bigger.id);
    expect(refused.status).toBe(422);
    expectError(refused.body, 'UNPROCESSABLE');
    expect(await crm.read('contacts', bigger.id)).toEqual(bigger);
  });

  it('of two pairs at once ends with every email in one place', async () => {
    const made = await Promise.all(
      Array.from({ length: 4 }, (_, at) =>
        contact(String(at), { emails: [{ value: `r${String(at)}@b.example` }] }),
      ),
    );
    const [a, b, c, d] = idsOf(made);
    const merge = (id = '', loser = '') =>
      crm.send('post', `contacts/${id}/merge`, { loser_ids: [loser] });
    const answers = await Promise.all([merge(a, b), merge(a, c), merge(a, d), merge(b, c)]);
    for (const { status } of answers) expect([200, 404, 409]).toContain(status);
    const live = (await crm.page('contacts')).data;
    const emails = live.flatMap((one) =>
      (one.emails as { value: string }[]).map(({ value }) => value),
    );
    expect(emails.sort()).toEqual(['r0', 'r1', 'r2', 'r3'].map((one) => `${one}@b.example`));
    for (const value of emails) expect(await found({ email: value })).toHaveLength(1);
  });

  it('of several that want one loser at once succeeds once', async () => {
    const loser = await contact('loser', { tags: ['prize'] });
    const winners = await Promise.all(Array.from({ length: 6 }, (_, at) => contact(String(at))));
    const answers = await Promise.all(
      winners.map(({ id }) => crm.send('post', `contacts/${id}/merge`, { loser_ids: [loser.id] })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 404, 404, 404, 404, 404]);
    const holders = (await crm.page('contacts')).data.filter(({ tags }) =>
      (tags as string[]).includes('prize'),
    );
    expect(idsOf(holders)).toEqual([winners[statuses.indexOf(200)]?.id]);
  });
});
