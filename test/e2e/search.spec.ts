import { startApp, type TestApp } from '../support/app';
import { Crm, faultsOf, idsOf } from '../support/records';

interface Hit {
  object: string;
  id: string;
  name: string;
  subtitle: string | null;
  matched: string[];
}

describe('GET /api/v1/search', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });
  const search = async (q: string, query: Record<string, string | number> = {}) =>
    (await crm.page('search', { q, ...query })).data as unknown as Hit[];
  const names = async (q: string, query: Record<string, string | number> = {}) =>
    (await search(q, query)).map(({ name }) => name);

  it('finds a record of any kind as soon as it is there, and not once it is gone', async () => {
    const company = await crm.create('companies', { name: 'Acme', domains: ['acme.example'] });
    const task = await crm.create('activities', { kind: 'task', subject: 'Call Acme' });
    expect(await search('acme')).toEqual([
      {
        object: 'companies',
        id: company.id,
        name: 'Acme',
        subtitle: 'acme.example',
        matched: ['acme'],
      },
      { object: 'activities', id: task.id, name: 'Call Acme', subtitle: 'task', matched: ['acme'] },
    ]);
    for (let round = 0; round < 10; round++) {
      const { id } = await crm.create('contacts', { last_name: `Round${String(round)}` });
      expect(idsOf(await search(`round${String(round)}`))).toEqual([id]);
      await crm.remove('contacts', id);
      expect(await search(`round${String(round)}`)).toEqual([]);
      await crm.restore('contacts', id);
      expect(idsOf(await search(`round${String(round)}`))).toEqual([id]);
    }
  });

  it.each([
    ['joz', 'without accents'],
    ['J\u00d3\u017d', 'in any case'],
    ['weiss', 'with two letters for one'],
    ['jo\u0301zef wei\u00df', 'by several words'],
    ['wei joz', 'in any order'],
    ['wei j', 'by a word of one letter beside another'],
    ['jw', 'by the words of the email before the @'],
    ['jw@d\u00e4\u00e9m', 'by the beginning of an email, accents or not'],
    ['example.org', 'by a domain'],
    ['exam', 'by the beginning of a domain'],
    ['weiss jw@', 'by a name and an email'],
    ['+49 (30) 90', 'by the beginning of a number'],
    ['901820', 'by the last digits of a number'],
    ['1820', 'by the last four digits'],
    ['4930901820', 'by all digits'],
  ])('finds %j: %s', async (q) => {
    const { id } = await crm.create('contacts', {
      first_name: 'J\u00f3\u017cef',
      last_name: 'Wei\u00df',
      emails: [{ value: 'jw@d\u00e4\u00e9mo.example' }, { value: 'other@example.org' }],
      phones: [{ value: '+49 30 901820' }],
    });
    await crm.create('contacts', { first_name: 'Anna', last_name: 'Schwarz' });
    expect(idsOf(await search(q))).toEqual([id]);
    expect(idsOf((await crm.page('contacts', { q })).data)).toEqual([id]);
  });

  it.each(['ef', 'weisse', 'jozef schwarz', 'wei s', 'ample', '9021', '--', 'w j', '\u0301\u0301'])(
    'does not find %j',
    async (q) => {
      await crm.create('contacts', {
        first_name: 'J\u00f3\u017cef',
        last_name: 'Wei\u00df',
        emails: [{ value: 'jw@demo.example' }],
        phones: [{ value: '+49 30 901820' }],
      });
      await crm.create('contacts', { first_name: 'Anna', last_name: 'Schwarz' });
      expect(await search(q)).toEqual([]);
    },
  );

  it('ranks: the whole name, a word of it, a beginning, all else; the kinds in turn', async () => {
    const contact = (last_name: string, value?: string) =>
      crm.create('contacts', { last_name, emails: value ? [{ value }] : [] });
    const company = (name: string, ...domains: string[]) =>
      crm.create('companies', { name, domains });
    await company('Elsewhere', 'anna.example');
    await contact('Other', 'anna@x.example');
    await contact('Annabel');
    await contact('Maria Anna');
    await contact('\u00c0nna');
    await company('Annalen AG');
    await company('Haus Anna');
    await company('ANNA');
    await crm.create('activities', { kind: 'note', subject: 'Anna calls' });
    expect(await names('anna')).toEqual([
      'ANNA',
      '\u00c0nna',
      'Anna calls',
      'Haus Anna',
      'Maria Anna',
      'Annalen AG',
      'Annabel',
      'Elsewhere',
      'Other',
    ]);
    expect(await names('anna', { limit: 2 })).toEqual(['ANNA', '\u00c0nna']);
    expect(await names('anna', { objects: 'contacts,activities', limit: 3 })).toEqual([
      '\u00c0nna',
      'Anna calls',
      'Maria Anna',
    ]);
    expect(await names('an', { objects: 'deals' })).toEqual([]);
    expect((await search('maria an'))[0]?.matched).toEqual(['maria', 'anna']);
  });

  it('answers the same first ones, however many are asked for', async () => {
    const words = ['an', 'ann', 'anna', 'anne', 'annabel', 'bann', 'annx'];
    const word = () => words[Math.floor(Math.random() * words.length)] ?? '';
    const name = () => Array.from({ length: 1 + Math.floor(Math.random() * 3) }, word).join(' ');
    const some = (body: (index: number) => object) =>
      Array.from({ length: 14 }, (_, index) => ({ data: body(index) }));
    await Promise.all([
      crm.batch(
        'contacts',
        'create',
        some((index) => ({
          last_name: name(),
          emails: [{ value: `${word()}.${String(index)}@${word()}.example` }],
        })),
      ),
      crm.batch(
        'companies',
        'create',
        some(() => ({ name: name() })),
      ),
      crm.batch(
        'deals',
        'create',
        some(() => ({ name: name() })),
      ),
    ]);
    for (const q of ['a', 'an', 'ann', 'anna', 'annx', 'anna an', 'ann bann', 'annabel.example']) {
      const all = await search(q, { limit: 50 });
      expect(all.length).toBeLessThanOrEqual(42);
      for (const limit of [1, 2, 3, 5, 10]) {
        expect([q, limit, await search(q, { limit })]).toEqual([q, limit, all.slice(0, limit)]);
      }
    }
  });

  it('finds who has both of two frequent words, behind many who have one', async () => {
    const many = (last_name: string) =>
      Array.from({ length: 90 }, () => ({ data: { last_name: `${last_name} Muster` } }));
    await Promise.all([
      crm.batch('contacts', 'create', many('Bert')),
      crm.batch('contacts', 'create', many('Zoe')),
    ]);
    // The last of all who have the same word.
    const id = 'ffffffff-ffff-4fff-bfff-ffffffffffff';
    await crm.create('contacts', { id, last_name: 'Bert Zoe' });
    expect(idsOf(await search('bert zo'))).toEqual([id]);
    expect(idsOf(await search('zoe bert'))).toEqual([id]);
  });

  it('has the whole name first, though hundreds begin like it', async () => {
    const items = Array.from({ length: 150 }, (_, at) => ({
      data: { last_name: `Anna ${String(at)}` },
    }));
    await crm.batch('contacts', 'create', items);
    const { id } = await crm.create('contacts', { last_name: 'Anna' });
    expect((await search('Anna'))[0]?.id).toBe(id);
    expect(await search('anna')).toHaveLength(10);
    expect(await search('anna', { limit: 50 })).toHaveLength(50);
  });

  it('finds by a single letter whose name begins with it', async () => {
    const [emil, eva] = await Promise.all(
      ['\u00c9mil Brandt', 'Eva'].map((last_name) => crm.create('contacts', { last_name })),
    );
    await crm.create('contacts', { first_name: 'Brigitte', last_name: 'Ender' });
    expect((await search('e')).map(({ id, matched }) => [id, matched])).toEqual([
      [emil?.id, ['emil']],
      [eva?.id, ['eva']],
    ]);
    expect(await names('e b')).toEqual([]);
    expect(await names('b')).toEqual(['Brigitte Ender']);
    // A word ends where no letter or digit follows.
    const contacts = ['X Adams', 'X Brown', 'X Clark', 'X Dorn', 'X Ernst'];
    for (const last_name of contacts) await crm.create('contacts', { last_name });
    for (const name of ['X-Plus', 'X.ON', 'Xaver']) await crm.create('companies', { name });
    const best = ['X-Plus', 'X Adams', 'X.ON', 'X Brown', 'X Clark', 'X Dorn', 'X Ernst', 'Xaver'];
    for (const limit of [1, 2, 3, 4, 8, 10]) {
      expect(await names('x', { limit })).toEqual(best.slice(0, limit));
    }
    // Nothing but an accent.
    expect(await search('\u0301')).toEqual([]);
  });

  it.each([
    ['q', ''],
    ['q', 'q='],
    ['q', 'q=%20'],
    ['q', `q=${'x'.repeat(101)}`],
    ['q', 'q=ab&q=cd'],
    ['limit', 'q=ab&limit=0'],
    ['limit', 'q=ab&limit=51'],
    ['limit', 'q=ab&limit=x'],
    ['objects', 'q=ab&objects=users'],
    ['objects', 'q=ab&objects='],
    ['objects', 'q=ab&objects=contacts,'],
    ['objects', 'q=ab&objects=contacts,contacts'],
    ['object', 'q=ab&object=contacts'],
  ])('refuses a wrong %s: %s', async (field, query) => {
    const faults = faultsOf(await crm.get(`search?${query}`));
    expect([...new Set(faults.map((fault) => fault.split(' ')[0]))]).toEqual([field]);
  });
});
