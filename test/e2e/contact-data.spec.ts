import { randomUUID } from 'node:crypto';
import { startApp, type TestApp } from '../support/app';
import { Crm, dataOf, faultsOf } from '../support/records';

describe('What a person may ask for', () => {
  let server: TestApp;
  let crm: Crm;
  const word = () => `q${randomUUID().replaceAll('-', '')}`;

  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  async function newPerson() {
    const name = word();
    const loser = await crm.create('contacts', { last_name: `Was${name}` });
    const { id } = await crm.create('contacts', {
      last_name: name,
      emails: [{ value: `${name}@example.com` }],
    });
    await crm.patch('contacts', id, { title: 'CTO' });
    await crm.merge('contacts', id, loser.id);
    const deal = await crm.create('deals', { name: 'Anvils', contact_ids: [id] });
    const links = [{ object: 'contacts', id }];
    const note = await crm.create('activities', { kind: 'note', subject: `On ${name}`, links });
    return { id, name, loser, deal, note };
  }
  const erase = (from: Crm, id: string, confirm = id) =>
    from.send('post', `contacts/${id}/erase`, { confirm });

  it('is all that is known of him', async () => {
    const { id, name, loser, deal, note } = await newPerson();
    const data = dataOf(await crm.get(`contacts/${id}/export`));
    expect(data).toMatchObject({
      contact: { id, last_name: name, title: 'CTO' },
      history: [{ kind: 'merged' }, { kind: 'updated' }, { kind: 'created' }],
      merged: [{ contact: { id: loser.id, last_name: `Was${name}` } }],
      activities: [{ id: note.id }],
      deals: [{ id: deal.id }],
    });
    await crm.remove('contacts', id);
    expect(dataOf(await crm.get(`contacts/${id}/export`))).toMatchObject({ contact: { id } });
  });

  it('is all of it, however much that is', async () => {
    const { id, name } = await newPerson();
    for (let version = 4; version <= 210; version++) {
      await crm.patch('contacts', id, { title: `t${String(version)}` });
    }
    const links = [{ object: 'contacts', id }];
    const item = { data: { kind: 'note', subject: 'Again', links } };
    const items = Array.from({ length: 140 }, () => item);
    const notes = [
      ...(await crm.batch('activities', 'create', items)),
      ...(await crm.batch('activities', 'create', items)),
    ];
    const response = await crm.get(`contacts/${id}/export`);
    expect(response.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-disposition': `attachment; filename="contact-${id}.json"`,
    });
    const { contact, history, activities } = dataOf(response) as unknown as {
      contact: { last_name: string };
      history: { version: number }[];
      activities: { id: string }[];
    };
    expect(contact.last_name).toBe(name);
    expect(history.map(({ version }) => version)).toEqual(
      Array.from({ length: 210 }, (_, index) => 210 - index),
    );
    const ids = new Set(activities.map((one) => one.id));
    expect([activities.length, ids.size]).toEqual([281, 281]);
    expect([...ids]).toEqual(expect.arrayContaining(notes.map(({ data }) => data?.id)));
  });

  it('is that he is forgotten, with a proof', async () => {
    const { id, name, loser, deal, note } = await newPerson();
    const response = await erase(crm, id);
    expect(response.status).toBe(200);
    const proof = dataOf(response);
    expect(proof).toMatchObject({
      contact_id: id,
      erased_by: crm.account.id,
      removed: { records: 3, references: 1 },
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    for (const path of [
      `contacts/${id}`,
      `contacts/${id}/export`,
      `contacts/${id}/history`,
      `contacts/${id}/timeline`,
      `contacts/${loser.id}/history`,
      `activities/${note.id}`,
    ]) {
      expect([path, (await crm.get(path)).status]).toEqual([path, 404]);
    }
    expect((await crm.send('post', `contacts/${id}/restore`)).status).toBe(404);
    expect(await crm.read('deals', deal.id)).toMatchObject({ contact_ids: [], version: 2 });
    const history = await crm.page(`deals/${deal.id}/history`);
    expect(JSON.stringify(history)).not.toContain(name);
    expect((await crm.page('contacts', { q: name })).data).toEqual([]);
    const audited = await crm.page('audit', { action: 'contact.erased' });
    expect(audited.data).toMatchObject([
      { outcome: 'success', target_id: id, details: { records: '3', digest: proof.digest } },
    ]);
    expect(JSON.stringify(audited)).not.toContain(name);
    // Once more, as by one who has not got the answer: there is nothing left.
    expect(dataOf(await erase(crm, id))).toMatchObject({ removed: { records: 0, events: 0 } });
  });

  it('is done for one who may delete all contacts, and says it twice', async () => {
    const { id, loser } = await newPerson();
    const member = new Crm(server.url, await server.api.newUser(admin(), 'member'));
    expect((await erase(member, id)).status).toBe(403);
    expect(faultsOf(await erase(crm, id, loser.id))).toEqual(['confirm confirm']);
    const merged = await erase(crm, loser.id);
    expect(merged.status).toBe(422);
    expect(merged.body).toMatchObject({ details: { merged_into: id } });
    const stranger = new Crm(server.url, await server.api.newAdmin());
    expect((await erase(stranger, id)).status).toBe(404);
    expect((await stranger.get(`contacts/${id}/export`)).status).toBe(404);
    expect(await crm.read('contacts', id)).toMatchObject({ title: 'CTO' });
  });

  function admin() {
    return crm.account as Parameters<TestApp['api']['newUser']>[0];
  }
});
