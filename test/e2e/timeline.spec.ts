import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm, faultsOf, idsOf, type RecordBody } from '../support/records';

describe('The story of a record, and its doubles', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  it('tells its changes and its activities, newest first, in pages of any size', async () => {
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    const links = [{ object: 'contacts', id: contact.id }];
    const expected: string[] = ['created'];
    for (let at = 0; at < 12; at++) {
      if (at % 3) {
        const note = { kind: 'note', subject: `N${String(at)}`, links };
        expected.unshift((await crm.create('activities', note)).id);
      } else {
        await crm.patch('contacts', contact.id, { title: String(at) });
        expected.unshift(String(at));
      }
    }
    const tell = (entries: RecordBody[]) =>
      entries.map(({ type, activity, change }) => {
        const { id, kind, changes } = (type === 'activity' ? activity : change) as RecordBody;
        if (type === 'activity') return id;
        return (changes as { title?: { to: string } }).title?.to ?? kind;
      });
    for (const limit of [1, 2, 5, 13, 200]) {
      const entries = await crm.walk(`contacts/${contact.id}/timeline`, { limit });
      expect(tell(entries)).toEqual(expected);
    }
    const [first] = await crm.walk(`contacts/${contact.id}/timeline`);
    expect(first).toEqual({
      type: 'activity',
      at: (first?.activity as RecordBody).created_at,
      activity: await crm.read('activities', expected[0] ?? ''),
    });
  });

  it('has the activities of a moment each once, however many there are of them', async () => {
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    const links = [{ object: 'contacts', id: contact.id }];
    const items = Array.from({ length: 60 }, (_, at) => ({
      data: { kind: 'note', subject: `N${String(at)}`, links },
    }));
    const results = await crm.batch('activities', 'create', items);
    const made = results.map(({ data }) => data?.id ?? '');
    const entries = await crm.walk(`contacts/${contact.id}/timeline`, { limit: 7 });
    const told = entries.flatMap(({ activity }) => (activity as RecordBody | undefined)?.id ?? []);
    expect(told).toHaveLength(60);
    expect(told.sort()).toEqual(made.sort());
  });

  it('shows an activity for as long as it is there and is linked', async () => {
    const company = await crm.create('companies', { name: 'Acme' });
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    const link = { object: 'companies', id: company.id };
    const both = [link, { object: 'contacts', id: contact.id }];
    const note = await crm.create('activities', { kind: 'note', subject: 'X', links: both });
    const shown = async (path: string) =>
      (await crm.walk(`${path}/timeline`)).filter(({ type }) => type === 'activity').length;
    const counts = async () => [
      await shown(`companies/${company.id}`),
      await shown(`contacts/${contact.id}`),
    ];
    expect(await counts()).toEqual([1, 1]);
    await crm.patch('activities', note.id, { links: [link] });
    expect(await counts()).toEqual([1, 0]);
    await crm.remove('activities', note.id);
    expect(await counts()).toEqual([0, 0]);
    await crm.restore('activities', note.id);
    expect(await counts()).toEqual([1, 0]);
    await crm.remove('companies', company.id);
    expectError((await crm.get(`companies/${company.id}/timeline`)).body, 'NOT_FOUND');
  });

  it('has cursors that are good for itself alone', async () => {
    const [one, two] = [
      await crm.create('contacts', { last_name: 'One' }),
      await crm.create('contacts', { last_name: 'Two' }),
    ];
    await crm.patch('contacts', one.id, { title: 'X' });
    await crm.patch('contacts', two.id, { title: 'X' });
    for (const story of ['timeline', 'history']) {
      const path = `contacts/${one.id}/${story}`;
      const { meta } = await crm.page(path, { limit: 1 });
      const cursor = `cursor=${meta.next_cursor ?? ''}`;
      const other = story === 'timeline' ? 'history' : 'timeline';
      for (const url of [
        `contacts/${two.id}/${story}?${cursor}`,
        `contacts/${one.id}/${other}?${cursor}`,
        `contacts?${cursor}`,
        `${path}?${cursor}A`,
      ]) {
        const answer = await crm.get(url);
        expect(answer.status).toBe(400);
        expectError(answer.body, 'INVALID_CURSOR');
      }
      expect(faultsOf(await crm.get(`${path}?limit=0`))).toEqual(['limit min']);
      expect(faultsOf(await crm.get(`${path}?sort=at`))).toEqual(['sort unknownField']);
    }
  });

  describe('Duplicates', () => {
    const doubles = async (path: string) => {
      const response = await crm.get(`${path}/duplicates`);
      const found = response.body as { data: { record: RecordBody; by: string[] }[] };
      return found.data.map(({ record, by }) => [record.id, [...by].sort()]);
    };

    it('are alike by name or phone, the most alike first', async () => {
      const phones = [{ value: '+4930901820' }];
      const one = await crm.create('contacts', {
        first_name: 'J\u00f3zef',
        last_name: 'Weiss',
        phones,
      });
      const name = await crm.create('contacts', { first_name: 'Jozef', last_name: 'WEI\u00df' });
      const phone = await crm.create('contacts', { last_name: 'Other', phones });
      const both = await crm.create('contacts', { last_name: 'jozef  weiss', phones });
      await crm.create('contacts', { first_name: 'Jozef', last_name: 'Weisz' });
      const found = await doubles(`contacts/${one.id}`);
      expect(found[0]).toEqual([both.id, ['name', 'phone']]);
      expect(found.slice(1).sort()).toEqual(
        [
          [name.id, ['name']],
          [phone.id, ['phone']],
        ].sort(),
      );
      await crm.remove('contacts', both.id);
      await crm.patch('contacts', name.id, { last_name: 'Black' });
      expect(await doubles(`contacts/${one.id}`)).toEqual([[phone.id, ['phone']]]);
      await crm.merge('contacts', one.id, phone.id);
      expect(await doubles(`contacts/${one.id}`)).toEqual([]);
    });

    it('of companies, too; twenty at most, and none of another organization', async () => {
      const one = await crm.create('companies', { name: 'Acme' });
      expect(await doubles(`companies/${one.id}`)).toEqual([]);
      const stranger = new Crm(server.url, await server.api.newAdmin());
      await stranger.create('companies', { name: 'Acme' });
      const items = Array.from({ length: 25 }, () => ({ data: { name: 'ACME' } }));
      const made = (await crm.batch('companies', 'create', items)).map(({ data }) => data?.id);
      const found = await doubles(`companies/${one.id}`);
      expect(found).toHaveLength(20);
      for (const [id] of found) expect(made).toContain(id);
      const { data } = await crm.page('companies', { limit: 200 });
      expect(idsOf(data)).toHaveLength(26);
    });
  });
});
