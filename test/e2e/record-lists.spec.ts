import { altered } from '../support/altered';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm, faultsOf, idsOf, type RecordBody, UNKNOWN_ID } from '../support/records';

const RECORDS = 27;
const byText = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('A list of records', () => {
  let server: TestApp;
  let crm: Crm;
  let acme: RecordBody;
  let other: string;
  /** In the order of their creation. */
  const contacts: RecordBody[] = [];

  beforeAll(async () => {
    server = await startApp();
    const admin = await server.api.newAdmin();
    crm = new Crm(server.url, admin);
    other = (await server.api.newUser(admin, 'member')).id;
    acme = await crm.create('companies', { name: 'Acme', industry: 'Caf\u00e9s' });
    for (let at = 0; at < RECORDS; at++) {
      const name = ['Z\u00e9ta', 'alpha', 'Beta', 'zeta'][at % 4] ?? '';
      contacts.push(
        await crm.create('contacts', {
          first_name: name,
          last_name: `No ${String(at % 5)}`,
          emails: [{ value: `c${String(at)}@${at % 2 ? 'odd' : 'even'}.example` }],
          phones: at % 3 ? [] : [{ value: '+4930901820' }],
          company_id: at % 2 ? acme.id : null,
          owner_id: at % 3 ? undefined : other,
          tags: at % 4 ? [] : ['vip'],
          external_ids: { erp: `a:${String(at)}` },
        }),
      );
    }
  });
  afterAll(() => server.close());

  const list = (query: Record<string, string | number> = {}) => crm.page('contacts', query);
  const which = (keep: (at: number) => boolean) => idsOf(contacts.filter((_, at) => keep(at)));
  const newest = (ids: string[]) => [...ids].reverse();
  const nameOf = (at: number) =>
    `${['zeta', 'alpha', 'beta', 'zeta'][at % 4] ?? ''} no ${String(at % 5)}`;

  it('begins with the newest, 50 to a page', async () => {
    const { data, meta } = await list();
    expect(idsOf(data)).toEqual(newest(idsOf(contacts)));
    expect(meta).toEqual({ limit: 50, next_cursor: null });
    expect(data[0]).toEqual(contacts.at(-1));
  });

  it.each(['created_at', '-created_at', 'name', '-name'])(
    'is walked by %s, each once',
    async (sort) => {
      const places = contacts.map(({ id, created_at }, at) => ({
        id,
        key: sort.endsWith('name') ? nameOf(at) : (created_at as string),
      }));
      places.sort((a, b) => byText(a.key, b.key) || byText(a.id, b.id));
      if (sort.startsWith('-')) places.reverse();
      for (const limit of [1, 3, 26, 27, 200]) {
        const found = await crm.walk('contacts', { sort, limit });
        expect(idsOf(found)).toEqual(idsOf(places));
      }
      const { data } = await list({ sort, limit: 3 });
      expect(idsOf(data)).toEqual(idsOf(places.slice(0, 3)));
    },
  );

  const filters: [Record<string, string>, (at: number) => boolean][] = [
    [{ domain: 'odd.example' }, (at) => at % 2 === 1],
    [{ domain: 'ODD.example.' }, (at) => at % 2 === 1],
    [{ domain: 'none.example' }, () => false],
    [{ phone: '+49 30 901820' }, (at) => at % 3 === 0],
    [{ email: 'C7@odd.example' }, (at) => at === 7],
    [{ email: 'c7@even.example' }, () => false],
    [{ external_id: 'erp:a:9' }, (at) => at === 9],
    [{ external_id: 'crm:a:9' }, () => false],
    [{ tag: 'vip' }, (at) => at % 4 === 0],
    [{ tag: 'VIP' }, () => false],
    [{ company_id: UNKNOWN_ID }, () => false],
    [{ q: 'zeta' }, (at) => [0, 3].includes(at % 4)],
    [{ tag: 'vip', domain: 'even.example', phone: '+4930901820' }, (at) => at % 12 === 0],
    [{ email: 'c7@odd.example', tag: 'vip' }, () => false],
    [{ email: 'c8@even.example', tag: 'vip', q: 'zeta' }, (at) => at === 8],
    [{ q: 'alpha', domain: 'odd.example' }, (at) => at % 4 === 1],
  ];
  it.each(filters)('filters by %j', async (query, keep) => {
    const expected = which(keep);
    const found = await crm.walk('contacts', { ...query, limit: 3 });
    expect(idsOf(found).sort()).toEqual(expected.sort());
  });

  it('filters by company and owner, alone and together, in every order', async () => {
    const ofAcme = { company_id: acme.id.toUpperCase() };
    const ofOther = { owner_id: other };
    expect(idsOf(await crm.walk('contacts', { ...ofAcme, limit: 4 }))).toEqual(
      newest(which((at) => at % 2 === 1)),
    );
    expect(idsOf((await list(ofOther)).data)).toEqual(newest(which((at) => at % 3 === 0)));
    const both = which((at) => at % 6 === 3);
    const query = { ...ofAcme, ...ofOther, limit: 2 };
    expect(idsOf(await crm.walk('contacts', query))).toEqual(newest(both));
    expect(idsOf(await crm.walk('contacts', { ...query, sort: 'created_at' }))).toEqual(both);
  });

  it('filters by the time of creation: from then on, and before', async () => {
    const at = (index: number) => contacts[index]?.created_at as string;
    const part = idsOf(contacts.slice(5, 20));
    const range = { created_from: at(5), created_to: at(20) };
    expect(idsOf(await crm.walk('contacts', { ...range, limit: 4 }))).toEqual(newest(part));
    expect(idsOf(await crm.walk('contacts', { ...range, limit: 4, sort: 'created_at' }))).toEqual(
      part,
    );
    const byName = await crm.walk('contacts', { ...range, limit: 4, sort: 'name' });
    expect(idsOf(byName).sort()).toEqual([...part].sort());
    const tagged = await list({ ...range, tag: 'vip' });
    expect(idsOf(tagged.data)).toEqual(newest(which((one) => [8, 12, 16].includes(one))));
    expect((await list({ created_from: at(20), created_to: at(5) })).data).toEqual([]);
    // The same moment in another zone.
    const zone = new Date(Date.parse(at(5)) + 3_600_000).toISOString().replace('Z', '+01:00');
    expect((await list({ created_from: zone })).data).toHaveLength(RECORDS - 5);
  });

  it('filters companies by industry, parent and domain', async () => {
    const child = await crm.create('companies', {
      name: 'Child',
      parent_id: acme.id,
      domains: ['child.example'],
    });
    const found = async (query: Record<string, string>) =>
      idsOf((await crm.page('companies', query)).data);
    expect(await found({ industry: 'CAFES' })).toEqual([acme.id]);
    expect(await found({ company_id: acme.id })).toEqual([child.id]);
    expect(await found({ domain: 'child.example' })).toEqual([child.id]);
    expect(await found({ industry: 'cafes', company_id: acme.id })).toEqual([]);
  });

  it('gives a cursor that is good for itself alone', async () => {
    const query = { sort: 'name', tag: 'vip', limit: 3 };
    const { meta } = await list(query);
    const cursor = meta.next_cursor ?? '';
    expect((await list({ ...query, cursor, limit: 5 })).data).toHaveLength(4);
    const stranger = new Crm(server.url, await server.api.newAdmin());
    const refused = [
      await crm.get(`contacts?sort=-name&tag=vip&cursor=${cursor}`),
      await crm.get(`contacts?tag=vip&cursor=${cursor}`),
      await crm.get(`contacts?sort=name&cursor=${cursor}`),
      await crm.get(`contacts?sort=name&tag=other&cursor=${cursor}`),
      await crm.get(`contacts?sort=name&tag=vip&deleted=true&cursor=${cursor}`),
      await crm.get(`contacts?tag=vip&q=zeta&cursor=${cursor}`),
      await crm.get(
        `contacts?sort=name&tag=vip&created_from=2020-01-01T00:00:00Z&cursor=${cursor}`,
      ),
      await crm.get(`companies?sort=name&tag=vip&cursor=${cursor}`),
      await crm.get(`contacts?sort=name&tag=vip&cursor=${altered(cursor, -2)}`),
      await crm.get(`contacts?sort=name&tag=vip&cursor=${cursor}A`),
      await crm.get('contacts?cursor=e30'),
      await stranger.get(`contacts?sort=name&tag=vip&cursor=${cursor}`),
    ];
    for (const response of refused) {
      expect(response.status).toBe(400);
      expectError(response.body, 'INVALID_CURSOR');
    }
  });

  it.each([
    ['limit parameter', 'limit=0'],
    ['limit parameter', 'limit=201'],
    ['limit parameter', 'limit=-1'],
    ['limit parameter', 'limit=1e1'],
    ['limit parameter', 'limit='],
    ['cursor parameter', 'cursor='],
    ['sort parameter', 'sort=size'],
    ['sort parameter', 'sort=--name'],
    ['sort parameter', 'sort=constructor'],
    ['sort parameter', 'q=zeta&sort=name'],
    ['q parameter', 'q=a'],
    ['q parameter', `q=${'x'.repeat(101)}`],
    ['deleted parameter', 'deleted=yes'],
    ['created_from parameter', 'created_from=yesterday'],
    ['created_to parameter', 'created_to=2026-01-31'],
    ['owner_id filter', 'owner_id=me'],
    ['company_id filter', 'company_id=x'],
    ['email filter', 'email=nobody'],
    ['phone filter', 'phone=030'],
    ['external_id filter', 'external_id=4711'],
    ['industry unknownField', 'industry=x'],
    ['custom.height unknownField', 'custom.height=1'],
    ['__proto__ unknownField', '__proto__=1'],
    ['toString unknownField', 'toString=1'],
    ['tag isString', 'tag=a&tag=b'],
    ['limit isString', 'limit=1&limit=2'],
    ['tag[x] unknownField', 'tag[x]=a'],
  ])('refuses %s: %s', async (fault, query) => {
    expect(faultsOf(await crm.get(`contacts?${query}`))).toEqual([fault]);
  });

  it('tells every fault of a query at once', async () => {
    const response = await crm.get('contacts?limit=0&sort=x&colour=red');
    expect(faultsOf(response)).toEqual([
      'limit parameter',
      'sort parameter',
      'colour unknownField',
    ]);
  });
});
