import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm, expectDuplicate, idsOf, type RecordBody } from '../support/records';

const email = (value: string, primary: boolean) => ({ value, label: null, primary });

describe('Merging', () => {
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
  const note = (subject: string, ...links: { object: string; id: string }[]) =>
    crm.create('activities', { kind: 'note', subject, links });
  const found = async (query: Record<string, string>) =>
    idsOf((await crm.page('contacts', query)).data);
  const linksOf = async (id: string) => (await crm.read('activities', id)).links;

  it('gives the winner what only the losers have, and leaves it what it has', async () => {
    const field = { key: 'level', label: 'Level', kind: 'text', indexed: true };
    await crm.send('post', 'fields/contacts', field);
    await crm.send('post', 'fields/contacts', { key: 'note', label: 'Note', kind: 'text' });
    const winner = await contact('Winner', {
      first_name: 'W',
      emails: [{ value: 'w@b.example' }],
      phones: [{ value: '+4930901820' }],
      tags: ['a', 'b'],
      external_ids: { erp: 'w' },
      custom: { level: 'gold' },
      address: { city: 'Berlin' },
    });
    const one = await contact('One', {
      emails: [{ value: 'one@b.example', primary: true }],
      phones: [{ value: '+49 30 901820', label: 'home' }, { value: '+12125552368' }],
      title: 'CTO',
      tags: ['b', 'c'],
      external_ids: { erp: 'one', hubspot: '1' },
      custom: { level: 'silver', note: 'hello' },
      address: { city: 'Bonn', country: 'DE' },
    });
    const two = await contact('Two', { title: 'CEO', emails: [{ value: 'two@b.example' }] });
    const merged = await crm.merge('contacts', winner.id, one.id, two.id);
    expect(merged).toMatchObject({
      id: winner.id,
      version: 2,
      first_name: 'W',
      last_name: 'Winner',
      title: 'CTO',
      emails: [
        email('w@b.example', true),
        email('one@b.example', false),
        email('two@b.example', false),
      ],
      phones: [{ value: '+4930901820', label: null, primary: true }, { value: '+12125552368' }],
      tags: ['a', 'b', 'c'],
      external_ids: { erp: 'w', hubspot: '1' },
      custom: { level: 'gold', note: 'hello' },
      address: { city: 'Berlin', country: 'DE' },
      owner_id: winner.owner_id,
    });
    expect(await crm.read('contacts', winner.id)).toEqual(merged);
    for (const loser of [one, two]) {
      expectError((await crm.get(`contacts/${loser.id}`)).body, 'NOT_FOUND');
      const patched = await crm.send('patch', `contacts/${loser.id}`, { title: 'X' });
      expectError(patched.body, 'NOT_FOUND');
    }
    for (const query of [
      { email: 'one@b.example' },
      { q: 'one@b' },
      { external_id: 'hubspot:1' },
      { phone: '+12125552368' },
      { tag: 'c' },
      { 'custom.level': 'gold' },
      { sort: 'name' },
    ] as Record<string, string>[]) {
      expect([query, await found(query)]).toEqual([query, [winner.id]]);
    }
    expect(await found({ 'custom.level': 'silver' })).toEqual([]);
    expect(await found({ q: 'two' })).toEqual([winner.id]);
    expect(await found({ deleted: 'true' })).toEqual([]);
    const taken = await crm.send('post', 'contacts', { emails: [{ value: 'two@b.example' }] });
    expectDuplicate(taken, 'email', winner.id);
  });

  it('turns whatever refers to a loser to the winner, and restoring turns it back', async () => {
    const winner = await crm.create('companies', { name: 'Winner', domains: ['w.example'] });
    const loser = await crm.create('companies', {
      name: 'Loser',
      domains: ['l.example'],
      industry: 'Steel',
      phones: [{ value: '+4930901820' }],
    });
    const employee = await contact('Employee', { company_id: loser.id });
    const before = await contact('Before', { company_id: winner.id });
    const child = await crm.create('companies', { name: 'Child', parent_id: loser.id });
    const link = ({ id }: RecordBody) => ({ object: 'companies', id });
    const call = await note('Call', link(loser), { object: 'contacts', id: employee.id });
    const both = await note('Both', link(winner), link(loser));
    const merged = await crm.merge('companies', winner.id, loser.id);
    expect(merged).toMatchObject({ domains: ['w.example', 'l.example'], industry: 'Steel' });
    expect(await crm.read('contacts', employee.id)).toMatchObject({
      company_id: winner.id,
      version: 2,
    });
    expect((await crm.read('companies', child.id)).parent_id).toBe(winner.id);
    expect(await linksOf(call.id)).toEqual([link(winner), { object: 'contacts', id: employee.id }]);
    expect(await linksOf(both.id)).toEqual([link(winner)]);
    expect((await found({ company_id: winner.id })).sort()).toEqual(
      [employee.id, before.id].sort(),
    );
    expect(await found({ company_id: loser.id })).toEqual([]);
    const [event] = await crm.walk(`contacts/${employee.id}/history`);
    expect(event).toMatchObject({
      kind: 'repointed',
      changes: { company_id: { from: loser.id, to: winner.id } },
    });

    await crm.patch('contacts', before.id, { title: 'Stays' });
    const restored = await crm.restore('companies', loser.id);
    expect(restored).toMatchObject({ domains: ['l.example'], industry: 'Steel', name: 'Loser' });
    expect(await crm.read('companies', winner.id)).toMatchObject({
      domains: ['w.example'],
      industry: null,
      phones: [],
    });
    expect((await crm.read('contacts', employee.id)).company_id).toBe(loser.id);
    expect((await crm.read('contacts', before.id)).company_id).toBe(winner.id);
    expect((await crm.read('companies', child.id)).parent_id).toBe(loser.id);
    expect(await linksOf(call.id)).toEqual([link(loser), { object: 'contacts', id: employee.id }]);
    expect(await linksOf(both.id)).toEqual([link(winner), link(loser)]);
    expect(await found({ company_id: loser.id })).toEqual([employee.id]);
    expect(await found({ company_id: winner.id })).toEqual([before.id]);
    const owner = await crm.page('companies', { domain: 'l.example' });
    expect(idsOf(owner.data)).toEqual([loser.id]);
    const stories = await crm.walk(`companies/${winner.id}/timeline`);
    expect(
      stories.every(({ record_id }) => [undefined, winner.id].includes(record_id as string)),
    ).toBe(true);
  });

  it('keeps the story of all of them', async () => {
    const winner = await contact('Winner');
    const loser = await contact('Loser');
    const theirs = await note('Theirs', { object: 'contacts', id: loser.id });
    await crm.patch('contacts', loser.id, { title: 'CTO' });
    await crm.merge('contacts', winner.id, loser.id);
    const ours = await note('Ours', { object: 'contacts', id: winner.id });
    const entries = await crm.walk(`contacts/${winner.id}/timeline`, { limit: 2 });
    const told = entries.map(({ type, record_id, change, activity }) =>
      type === 'activity' ? (activity as RecordBody).id : [record_id, (change as RecordBody).kind],
    );
    expect(told).toEqual([
      ours.id,
      [winner.id, 'merged'],
      [loser.id, 'merged_into'],
      [loser.id, 'updated'],
      theirs.id,
      [loser.id, 'created'],
      [winner.id, 'created'],
    ]);
    const history = await crm.walk(`contacts/${loser.id}/history`);
    expect(history.map(({ kind }) => kind)).toEqual(['merged_into', 'updated', 'created']);
  });

  it('can be done over and over, and taken back one by one', async () => {
    const [a, b, c] = [
      await contact('A', { emails: [{ value: 'a@b.example' }] }),
      await contact('B', { emails: [{ value: 'b@b.example' }] }),
      await contact('C', { emails: [{ value: 'c@b.example' }] }),
    ];
    const task = await note('Task', { object: 'contacts', id: c.id });
    await crm.merge('contacts', b.id, c.id);
    await crm.merge('contacts', a.id, b.id);
    expect(await found({ email: 'c@b.example' })).toEqual([a.id]);
    expect(await linksOf(task.id)).toEqual([{ object: 'contacts', id: a.id }]);
    expect(idsOf((await crm.page('contacts')).data)).toEqual([a.id]);
    await crm.restore('contacts', b.id);
    expect(await found({ email: 'c@b.example' })).toEqual([b.id]);
    expect(await found({ email: 'b@b.example' })).toEqual([b.id]);
    expect(await linksOf(task.id)).toEqual([{ object: 'contacts', id: b.id }]);
    await crm.restore('contacts', c.id);
    for (const one of [a, b, c]) {
      const { emails, last_name } = await crm.read('contacts', one.id);
      expect({ emails, last_name }).toEqual({ emails: one.emails, last_name: one.last_name });
    }
    expect(await linksOf(task.id)).toEqual([{ object: 'contacts', id: c.id }]);
    // And once more, the other way round.
    await crm.merge('contacts', c.id, a.id);
    expect(await found({ email: 'a@b.example' })).toEqual([c.id]);
    expect(await crm.restore('contacts', a.id)).toMatchObject({ emails: a.emails });
  });

  it('of two that one record refers to gives both back, in any order', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const winner = await contact('Winner');
      const losers = [await contact('One'), await contact('Two')];
      const links = losers.map(({ id }) => ({ object: 'contacts', id }));
      const task = await note('Task', ...links);
      await crm.merge('contacts', winner.id, ...idsOf(losers));
      const both = [{ object: 'contacts', id: winner.id }];
      expect(await linksOf(task.id)).toEqual(both);
      const [first, second] = order.map((at) => links[at]);
      await crm.restore('contacts', first?.id ?? '');
      expect(await linksOf(task.id)).toEqual([...both, first]);
      await crm.restore('contacts', second?.id ?? '');
      expect(await linksOf(task.id)).toEqual(expect.arrayContaining(links));
      expect(await linksOf(task.id)).toHaveLength(2);
    }
  });

  it('leaves the winner what it got in the meantime when it is taken back', async () => {
    const winner = await contact('Winner');
    const loser = await contact('Loser', {
      title: 'CTO',
      tags: ['x'],
      phones: [{ value: '+12125552368' }],
    });
    await crm.merge('contacts', winner.id, loser.id);
    await crm.patch('contacts', winner.id, { title: 'CEO', tags: ['x', 'y'] });
    await crm.restore('contacts', loser.id);
    expect(await crm.read('contacts', winner.id)).toMatchObject({
      title: 'CEO',
      tags: ['y'],
      phones: [],
    });
  });

  it('is not taken back over somebody who has a value now', async () => {
    const winner = await contact('Winner');
    const loser = await contact('Loser', { emails: [{ value: 'l@b.example' }] });
    await crm.merge('contacts', winner.id, loser.id);
    await crm.patch('contacts', winner.id, { emails: [] });
    const other = await contact('Other', { emails: [{ value: 'l@b.example' }] });
    const refused = await crm.send('post', `contacts/${loser.id}/restore`);
    expectDuplicate(refused, 'email', other.id);
    expect(await crm.read('contacts', winner.id)).toMatchObject({ emails: [] });
    await crm.remove('contacts', other.id);
    expect((await crm.restore('contacts', loser.id)).emails).toEqual(loser.emails);
  });
});
