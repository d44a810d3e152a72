import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm, dataOf, faultsOf, idsOf, type RecordBody, UNKNOWN_ID } from '../support/records';

describe('What a caller reaches of the records', () => {
  let server: TestApp;
  let admin: Crm;
  let manager: Crm;
  let member: Crm;
  let colleague: Crm;
  let viewer: Crm;

  beforeAll(async () => {
    server = await startApp();
    const account = await server.api.newAdmin();
    const as = async (role: string) => new Crm(server.url, await server.api.newUser(account, role));
    admin = new Crm(server.url, account);
    manager = await as('manager');
    member = await as('member');
    colleague = await as('member');
    viewer = await as('viewer');
  });
  afterAll(() => server.close());

  const writesOn = (crm: Crm, object: string, { id }: RecordBody, other: RecordBody) => [
    crm.send('patch', `${object}/${id}`, { tags: ['x'] }),
    crm.send('post', `${object}/${id}/merge`, { loser_ids: [other.id] }),
    crm.send('post', `${object}/${other.id}/merge`, { loser_ids: [id] }),
    crm.send('delete', `${object}/${id}`),
    crm.send('post', `${object}/${id}/restore`),
  ];
  const forbidden = { status: 403, body: { code: 'FORBIDDEN' } };

  it('a viewer reads everything and writes nothing', async () => {
    const company = await admin.create('companies', { name: 'Acme' });
    const contact = await admin.create('contacts', { last_name: 'Jones' });
    const other = await admin.create('contacts', { last_name: 'Other' });
    const task = await admin.create('activities', { kind: 'task', subject: 'Call' });
    expect((await viewer.read('companies', company.id)).id).toBe(company.id);
    expect((await viewer.read('contacts', contact.id)).id).toBe(contact.id);
    expect((await viewer.read('activities', task.id)).id).toBe(task.id);
    const answers = await Promise.all([
      viewer.send('post', 'contacts', { last_name: 'X' }),
      viewer.send('put', 'contacts/external/erp/1', { last_name: 'X' }),
      viewer.send('post', 'contacts/batch', { operation: 'create', items: [{ data: {} }] }),
      viewer.send('post', 'activities', { kind: 'note', subject: 'X' }),
      ...writesOn(viewer, 'contacts', contact, other),
    ]);
    for (const answer of answers) {
      expect(answer).toMatchObject(forbidden);
      expectError(answer.body, 'FORBIDDEN');
    }
    expect(await admin.read('contacts', contact.id)).toEqual(contact);
  });

  it('a member reads all contacts, and changes those he owns', async () => {
    const theirs = await colleague.create('contacts', { last_name: 'Theirs' });
    const mine = await member.create('contacts', { last_name: 'Mine' });
    expect(mine.owner_id).toBe(member.account.id);
    expect(await member.read('contacts', theirs.id)).toEqual(theirs);
    expect(idsOf(await member.walk('contacts', { limit: 200 }))).toContain(theirs.id);
    for (const answer of await Promise.all(writesOn(member, 'contacts', theirs, mine))) {
      expect(answer).toMatchObject(forbidden);
    }
    const other = { last_name: 'X', owner_id: colleague.account.id };
    expect(await member.send('post', 'contacts', other)).toMatchObject({
      ...forbidden,
      body: { details: { permission: 'contacts:create' } },
    });
    const results = await member.batch('contacts', 'update', [
      { id: theirs.id, data: { title: 'X' } },
      { id: mine.id, data: { title: 'X' } },
    ]);
    expect(results.map(({ status }) => status)).toEqual([403, 200]);
    expect(await admin.read('contacts', theirs.id)).toEqual(theirs);
    // By its external id it is still the other's.
    await admin.patch('contacts', theirs.id, { external_ids: { erp: 'p1' } });
    const put = await member.send('put', 'contacts/external/erp/p1', { title: 'X' });
    expect(put).toMatchObject(forbidden);
    await member.remove('contacts', mine.id);
    await manager.patch('contacts', theirs.id, { owner_id: member.account.id });
    expect(await member.patch('contacts', theirs.id, { title: 'Y' })).toMatchObject({ title: 'Y' });
  });

  describe('a member and activities', () => {
    let contact: RecordBody;
    let mine: RecordBody;
    let assigned: RecordBody;
    const theirs: RecordBody[] = [];
    beforeAll(async () => {
      contact = await admin.create('contacts', { last_name: 'Subject' });
      const links = [{ object: 'contacts', id: contact.id }];
      mine = await member.create('activities', { kind: 'task', subject: 'Plan mine', links });
      assigned = await admin.create('activities', {
        kind: 'task',
        subject: 'Plan for him',
        assignee_id: member.account.id,
        tags: ['hot'],
        links,
      });
      // More than one page looks at, and before his own in every order.
      const items = Array.from({ length: 300 }, (_, at) => ({
        data: { kind: 'task', subject: `Plan A${String(at)}`, tags: ['hot'], links },
      }));
      for (const { data } of await colleague.batch('activities', 'create', items)) {
        if (data) theirs.push(data);
      }
    });
    const own = () => [mine.id, assigned.id].sort();

    it('are his own in every list, filter and search, whatever comes first', async () => {
      for (const query of [
        {},
        { sort: 'name' },
        { sort: 'due_at' },
        { sort: 'created_at' },
        { q: 'plan' },
        { kind: 'task' },
        { status: 'open' },
        { contact_id: contact.id },
      ] as Record<string, string>[]) {
        const page = await member.page('activities', { ...query, limit: 2 });
        expect([query, idsOf(page.data).sort()]).toEqual([query, own()]);
        expect(idsOf(await member.walk('activities', { ...query, limit: 1 })).sort()).toEqual(
          own(),
        );
      }
      const found = async (query: Record<string, string>) =>
        idsOf((await member.page('activities', query)).data);
      expect(await found({ tag: 'hot' })).toEqual([assigned.id]);
      expect(await found({ owner_id: colleague.account.id })).toEqual([]);
      expect(await found({ assignee_id: colleague.account.id })).toEqual([]);
      const todo = { assignee_id: member.account.id, status: 'open' };
      expect((await found(todo)).sort()).toEqual(own());
      const hits = await member.page('search', { q: 'plan', limit: 50 });
      expect(idsOf(hits.data).sort()).toEqual(own());
      expect((await admin.page('search', { q: 'plan', limit: 50 })).data).toHaveLength(50);
      const [their] = theirs;
      const url = `activities?external_id=none:1&owner_id=${their?.id ?? ''}`;
      expect((await member.get(url)).body).toMatchObject({ data: [] });
    });

    it('are his own in the story of a contact', async () => {
      const activitiesOf = async (crm: Crm) => {
        const entries = await crm.walk(`contacts/${contact.id}/timeline`, { limit: 50 });
        return entries.flatMap(({ activity }) => (activity as RecordBody | undefined)?.id ?? []);
      };
      expect((await activitiesOf(member)).sort()).toEqual(own());
      expect(await activitiesOf(admin)).toHaveLength(302);
    });

    it('of others are as unknown as what never was', async () => {
      const [their] = theirs;
      if (!their) throw new Error('none');
      const answers = (id: string) =>
        Promise.all([
          ...writesOn(member, 'activities', { ...their, id }, mine),
          member.get(`activities/${id}`),
          member.get(`activities/${id}/history`),
          member.get(`activities/${id}/timeline`),
          member.get(`activities/${id}/duplicates`),
        ]);
      const [hidden, unknown] = [await answers(their.id), await answers(UNKNOWN_ID)];
      expect(hidden.map(({ status, text }) => ({ status, text }))).toEqual(
        unknown.map(({ status, text }) => ({ status, text })),
      );
      for (const { body } of hidden) expectError(body, 'NOT_FOUND');
      const results = await member.batch('activities', 'delete', [{ id: their.id }]);
      expect(results).toMatchObject([{ status: 404 }]);
      expect(await admin.read('activities', their.id)).toEqual(their);
    });

    it('come and go with their owner, at once', async () => {
      const [, their] = theirs;
      if (!their) throw new Error('none');
      await admin.patch('activities', their.id, { owner_id: member.account.id });
      expect((await member.read('activities', their.id)).id).toBe(their.id);
      expect(idsOf(await member.walk('activities', { q: 'plan a' }))).toEqual([their.id]);
      await admin.patch('activities', their.id, { owner_id: null });
      expect((await member.get(`activities/${their.id}`)).status).toBe(404);
      expect(idsOf(await member.walk('activities', { limit: 3 })).sort()).toEqual(own());
      // The colleague is still to do it.
      expect((await colleague.read('activities', their.id)).assignee_id).toBe(colleague.account.id);
      await admin.patch('activities', their.id, { assignee_id: null });
      expect((await colleague.get(`activities/${their.id}`)).status).toBe(404);
    });

    it('that are deleted are shown to their owner alone', async () => {
      const note = await member.create('activities', { kind: 'note', subject: 'Gone' });
      await member.remove('activities', note.id);
      const deleted = async (crm: Crm) => idsOf(await crm.walk('activities', { deleted: 'true' }));
      expect(await deleted(member)).toEqual([note.id]);
      expect(await deleted(colleague)).toEqual([]);
      expect((await colleague.send('post', `activities/${note.id}/restore`)).status).toBe(404);
    });
  });

  it('an API key reaches what its role and its maker reach, and is named in the history', async () => {
    const body = { name: 'sync', role: 'member' };
    const made = await admin.send('post', 'api-keys', body);
    const key = (made.body as { data: { key: string } }).data.key;
    const program = new Crm(server.url, { ...admin.account, token: key });
    const contact = await manager.create('contacts', { last_name: 'Managed' });
    expect((await program.read('contacts', contact.id)).id).toBe(contact.id);
    const patched = await program.send('patch', `contacts/${contact.id}`, { title: 'X' });
    expect(patched).toMatchObject(forbidden);
    const own = await program.create('activities', { kind: 'note', subject: 'By a program' });
    expect(own).toMatchObject({ owner_id: admin.account.id, created_by: admin.account.id });
    const [event] = await program.walk(`activities/${own.id}/history`);
    expect(event).toMatchObject({ actor_id: admin.account.id, api_key_id: dataOf(made).id });
    const theirs = await colleague.create('activities', { kind: 'note', subject: 'Not its own' });
    expect((await program.get(`activities/${theirs.id}`)).status).toBe(404);
    expect(idsOf((await program.page('search', { q: 'program' })).data)).toEqual([own.id]);
    expect((await program.page('search', { q: 'not its own' })).data).toEqual([]);
  });

  it('a member finds his activities in a timeline behind any number of others', async () => {
    const contact = await member.create('contacts', { last_name: 'Busy' });
    const links = [{ object: 'contacts', id: contact.id }];
    const own = await member.create('activities', { kind: 'note', subject: 'Mine', links });
    const item = { data: { kind: 'note', subject: 'Theirs', links } };
    for (const count of [500, 500, 400]) {
      await colleague.batch('activities', 'create', Array<unknown>(count).fill(item));
    }
    const entries = await member.walk(`contacts/${contact.id}/timeline`, { limit: 50 });
    expect(entries.map(({ type }) => type)).toEqual(['activity', 'change']);
    expect(entries[0]?.activity).toMatchObject({ id: own.id });
  }, 60_000);

  it('a merge is taken back by those only who may change what it made', async () => {
    const winner = await colleague.create('deals', { name: 'Theirs', tags: ['a'] });
    const loser = await member.create('deals', { name: 'Mine', tags: ['b'] });
    const merged = await manager.merge('deals', winner.id, loser.id);
    expect((await member.get(`deals/${winner.id}`)).status).toBe(404);
    const refused = await member.send('post', `deals/${loser.id}/restore`);
    expect(refused).toMatchObject(forbidden);
    expect(await colleague.read('deals', winner.id)).toEqual(merged);
    expect((await member.get(`deals/${loser.id}`)).status).toBe(404);
    expect(await manager.restore('deals', loser.id)).toMatchObject({ tags: ['b'] });
    expect((await colleague.read('deals', winner.id)).tags).toEqual(['a']);
  });

  it('the records of another organization are unknown, in whatever way they are named', async () => {
    const stranger = new Crm(server.url, await server.api.newAdmin());
    const company = await admin.create('companies', { name: 'Acme', external_ids: { erp: 'f' } });
    const own = await stranger.create('companies', { name: 'Own' });
    for (const path of ['', '/history', '/timeline', '/duplicates']) {
      expectError((await stranger.get(`companies/${company.id}${path}`)).body, 'NOT_FOUND');
    }
    for (const answer of await Promise.all(writesOn(stranger, 'companies', company, own))) {
      expectError(answer.body, 'NOT_FOUND');
    }
    const link = { kind: 'note', subject: 'X', links: [{ object: 'companies', id: company.id }] };
    expect(faultsOf(await stranger.send('post', 'activities', link))).toEqual(['links reference']);
    expect((await stranger.page('companies', { external_id: 'erp:f' })).data).toEqual([]);
    const put = await stranger.send('put', 'companies/external/erp/f', { name: 'Mine' });
    expect(put.status).toBe(201);
    expect(dataOf(put).id).not.toBe(company.id);
    const results = await stranger.batch('companies', 'update', [{ id: company.id, data: {} }]);
    expect(results).toMatchObject([{ status: 404 }]);
    expect(await admin.read('companies', company.id)).toEqual(company);
    expect(idsOf((await stranger.page('search', { q: 'acme' })).data)).toEqual([]);
  });
});
