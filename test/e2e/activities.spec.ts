import { startApp, type TestApp } from '../support/app';
import { Crm, dataOf, faultsOf, idsOf, type RecordBody, UNKNOWN_ID } from '../support/records';

const days = (count: number) => new Date(Date.now() + count * 86_400_000).toISOString();

describe('Activities', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });
  const create = (body: object) =>
    crm.create('activities', { kind: 'task', subject: 'X', ...body });
  const found = async (query: Record<string, string | number>) =>
    idsOf(await crm.walk('activities', { ...query, limit: 2 }));

  it('keep what they are given, and say what was left open', async () => {
    const company = await crm.create('companies', { name: 'Acme' });
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    const links = [
      { object: 'companies', id: company.id.toUpperCase() },
      { object: 'contacts', id: contact.id },
    ];
    const made = await crm.create('activities', {
      kind: 'meeting',
      subject: ' Kick-off ',
      body: 'Two\nlines',
      priority: 'high',
      start_at: '2026-03-01T10:00:00+01:00',
      end_at: '2026-03-01T09:00:00Z',
      links,
    });
    expect(made).toMatchObject({
      kind: 'meeting',
      subject: 'Kick-off',
      body: 'Two\nlines',
      status: 'open',
      priority: 'high',
      due_at: null,
      start_at: '2026-03-01T09:00:00.000Z',
      end_at: '2026-03-01T09:00:00.000Z',
      assignee_id: null,
      completed_at: null,
      links: [
        { object: 'companies', id: company.id },
        { object: 'contacts', id: contact.id },
      ],
    });
    expect(await crm.read('activities', made.id)).toEqual(made);
    const { id: me } = crm.account;
    for (const [kind, status, assignee_id] of [
      ['task', 'open', me],
      ['call', 'open', null],
      ['note', 'done', null],
      ['email', 'done', null],
    ]) {
      const one = await create({ kind });
      expect(one).toMatchObject({ status, assignee_id, priority: 'normal' });
      expect(one.completed_at !== null).toBe(status === 'done');
    }
    expect(await create({ assignee_id: null })).toMatchObject({ assignee_id: null });
    expect(await create({ owner_id: null })).toMatchObject({ assignee_id: null });
    expect(await create({ kind: 'note', status: 'open' })).toMatchObject({ completed_at: null });
  });

  it('know when they were done, for as long as they are', async () => {
    const { id } = await create({});
    const before = new Date().toISOString();
    const done = await crm.patch('activities', id, { status: 'done' });
    expect((done.completed_at as string) >= before).toBe(true);
    const later = await crm.patch('activities', id, { subject: 'Y' });
    expect(later).toMatchObject({ status: 'done', completed_at: done.completed_at });
    const open = await crm.patch('activities', id, { status: null });
    expect(open).toMatchObject({ status: 'open', completed_at: null });
    const cancelled = await crm.patch('activities', id, { status: 'cancelled', assignee_id: null });
    expect(cancelled).toMatchObject({ completed_at: null, assignee_id: null });
  });

  it.each<[string, object]>([
    ['kind invalid_value', { kind: 'fax' }],
    ['kind invalid_value', { kind: undefined }],
    ['subject invalid_type', { subject: undefined }],
    ['subject too_small', { subject: ' ' }],
    ['subject too_big', { subject: 'x'.repeat(201) }],
    ['body too_big', { body: 'x'.repeat(10_001) }],
    ['status invalid_value', { status: 'late' }],
    ['priority invalid_value', { priority: 1 }],
    ['due_at invalid_format', { due_at: '2026-03-01' }],
    ['end_at notBefore', { start_at: '2026-03-01T10:00:00Z', end_at: '2026-03-01T09:59:59.999Z' }],
    ['assignee_id isUuid', { assignee_id: 'me' }],
    ['assignee_id reference', { assignee_id: UNKNOWN_ID }],
    ['links too_big', { links: Array(21).fill({ object: 'contacts', id: UNKNOWN_ID }) }],
    ['links[0].object invalid_value', { links: [{ object: 'activities', id: UNKNOWN_ID }] }],
    ['links[0].id isUuid', { links: [{ object: 'contacts', id: '1' }] }],
    ['links[0].role unknownField', { links: [{ object: 'contacts', id: UNKNOWN_ID, role: 'x' }] }],
    ['links reference', { links: [{ object: 'contacts', id: UNKNOWN_ID }] }],
    ['links reference', { links: [{ object: 'deals', id: UNKNOWN_ID }] }],
    ['completed_at unknownField', { completed_at: null }],
  ])('refuse %s', async (fault, body) => {
    const refused = await crm.send('post', 'activities', { kind: 'task', subject: 'X', ...body });
    expect([...new Set(faultsOf(refused).filter((one) => one !== 'links arrayUnique'))]).toEqual([
      fault,
    ]);
  });

  it('refuse the same link twice, one to another organization, and assignees who have left', async () => {
    const contact = await crm.create('contacts', { last_name: 'Jones' });
    const stranger = new Crm(server.url, await server.api.newAdmin());
    const foreign = await stranger.create('contacts', { last_name: 'Foreign' });
    const leaver = await server.api.newUser(crm.account as never, 'member');
    await server.api.delete(`/api/v1/users/${leaver.id}`, crm.account.token);
    const link = { object: 'contacts', id: contact.id };
    const { id } = await create({ links: [link] });
    const patch = async (body: object) =>
      faultsOf(await crm.send('patch', `activities/${id}`, body));
    expect(await patch({ links: [link, link] })).toEqual(['links arrayUnique']);
    expect(await patch({ links: [link, { ...link, id: foreign.id }] })).toEqual([
      'links reference',
    ]);
    expect(await patch({ assignee_id: leaver.id, owner_id: leaver.id })).toEqual([
      'owner_id reference',
      'assignee_id reference',
    ]);
    await crm.remove('contacts', contact.id);
    expect(await crm.patch('activities', id, { subject: 'Y' })).toMatchObject({ links: [link] });
  });

  describe('in lists', () => {
    let tasks: Record<string, RecordBody>;
    let company: RecordBody;
    let colleague: string;
    beforeEach(async () => {
      company = await crm.create('companies', { name: 'Acme' });
      const contact = await crm.create('contacts', { last_name: 'Jones' });
      colleague = (await server.api.newUser(crm.account as never, 'member')).id;
      const links = [{ object: 'companies', id: company.id }];
      const both = [...links, { object: 'contacts', id: contact.id }];
      tasks = {
        never: await create({ subject: 'never', links }),
        late: await create({ subject: 'late', due_at: days(-2), links: both }),
        later: await create({ subject: 'later', due_at: days(-1), assignee_id: colleague }),
        soon: await create({ subject: 'soon', due_at: days(1), assignee_id: colleague }),
        done: await create({ subject: 'done', due_at: days(-3), status: 'done' }),
        call: await create({
          subject: 'call',
          kind: 'call',
          due_at: days(2),
          assignee_id: colleague,
        }),
      };
      tasks.contact = contact;
    });
    const ids = (...names: string[]) => names.map((name) => tasks[name]?.id);

    it('are sorted by when they are due, those without a date at the end', async () => {
      const order = ids('done', 'late', 'later', 'soon', 'call', 'never');
      expect(await found({ sort: 'due_at' })).toEqual(order);
      expect(await found({ sort: '-due_at' })).toEqual(order.reverse());
      expect(await found({ sort: 'name' })).toEqual(
        ids('call', 'done', 'late', 'later', 'never', 'soon'),
      );
    });

    it('are filtered by kind, status, assignee, link and date, alone and together', async () => {
      const sort = 'due_at';
      expect(await found({ sort, kind: 'call' })).toEqual(ids('call'));
      expect(await found({ sort, status: 'done' })).toEqual(ids('done'));
      expect(await found({ sort, assignee_id: colleague })).toEqual(ids('later', 'soon', 'call'));
      expect(await found({ sort, company_id: company.id })).toEqual(ids('late', 'never'));
      expect(await found({ sort, contact_id: tasks.contact?.id ?? '' })).toEqual(ids('late'));
      expect(await found({ deal_id: company.id })).toEqual([]);
      expect(await found({ sort, overdue: 'true' })).toEqual(ids('late', 'later'));
      expect(await found({ sort, overdue: 'false' })).toEqual(ids('done', 'soon', 'call', 'never'));
      const due = { due_from: days(-2.5), due_to: days(1.5) };
      expect(await found({ sort, ...due })).toEqual(ids('late', 'later', 'soon'));
      expect(await found({ sort: '-due_at', ...due })).toEqual(ids('soon', 'later', 'late'));
      expect(await found(due)).toEqual(ids('soon', 'later', 'late'));
      expect(await found({ sort, due_from: days(1.5) })).toEqual(ids('call'));
      expect(await found({ sort, due_from: String(tasks.late?.due_at), due_to: days(0) })).toEqual(
        ids('late', 'later'),
      );
      expect(await found({ sort, overdue: 'true', assignee_id: colleague })).toEqual(ids('later'));
      expect(await found({ sort, status: 'open', assignee_id: colleague, kind: 'task' })).toEqual(
        ids('later', 'soon'),
      );
      expect(await found({ sort, company_id: company.id, assignee_id: colleague })).toEqual([]);
      expect(await found({ overdue: 'true', status: 'done' })).toEqual([]);
    });

    it('leave the to-do list of their assignee when they are done or given to another', async () => {
      const todo = { assignee_id: colleague, status: 'open', sort: 'due_at' };
      await crm.patch('activities', tasks.later?.id ?? '', { status: 'done' });
      await crm.patch('activities', tasks.call?.id ?? '', { assignee_id: crm.account.id });
      await crm.patch('activities', tasks.never?.id ?? '', { assignee_id: colleague });
      expect(await found(todo)).toEqual(ids('soon', 'never'));
      await crm.patch('activities', tasks.never?.id ?? '', { due_at: days(0.5) });
      expect(await found(todo)).toEqual(ids('never', 'soon'));
    });

    it.each(['overdue=1', 'kind=fax', 'status=late', 'due_from=today', 'deal_id=x'])(
      'refuse %s',
      async (query) => {
        const [name = ''] = query.split('=');
        expect(faultsOf(await crm.get(`activities?${query}`))).toEqual([`${name} filter`]);
      },
    );
  });

  it('are changed by external id, in batches, and merged, like any record', async () => {
    const put = await crm.send('put', 'activities/external/cal/1', { kind: 'call', subject: 'A' });
    expect(put.status).toBe(201);
    const other = await create({ body: 'text' });
    const merged = await crm.merge('activities', dataOf(put).id, other.id);
    expect(merged).toMatchObject({
      kind: 'call',
      body: 'text',
      status: 'open',
      completed_at: null,
    });
    const results = await crm.batch('activities', 'update', [
      { id: merged.id, data: { status: 'done' } },
    ]);
    expect(results[0]?.data?.completed_at).toEqual(expect.any(String));
  });
});
