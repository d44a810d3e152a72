import { countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { Crm, dataOf, expectDuplicate, faultsOf, UNKNOWN_ID } from '../support/records';

const email = (value: string) => ({ emails: [{ value }] });

describe('Contacts', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  it('keep what they are given, each value in its one spelling', async () => {
    const company = await crm.create('companies', { name: 'Acme' });
    const made = await crm.send('post', 'contacts', {
      first_name: '  Zoe\u0308 ',
      last_name: 'Jones',
      emails: [{ value: ' Zoe@ACME.Example ', label: 'work' }, { value: 'z@home.example' }],
      phones: [{ value: '+49 (30) 90-1820', label: null, primary: false }],
      title: 'CTO',
      company_id: company.id.toUpperCase(),
      address: { street: '1 Main Street', country: 'DE' },
      consent: { email: true, at: '2026-01-31T10:30:00+01:00' },
      tags: ['vip', 'VIP'],
      external_ids: { hubspot: '4711' },
    });
    expect(made.status).toBe(201);
    const { id } = dataOf(made);
    expect(made.headers).toMatchObject({ etag: '"1"', location: `/api/v1/contacts/${id}` });
    const user = crm.account.id;
    const stamp = expect.stringMatching(/^\d{4}-.*T.*\.\d{3}Z$/) as string;
    expect(dataOf(made)).toEqual({
      id,
      organization_id: crm.account.organizationId,
      version: 1,
      first_name: 'Zo\u00eb',
      last_name: 'Jones',
      emails: [
        { value: 'zoe@acme.example', label: 'work', primary: true },
        { value: 'z@home.example', label: null, primary: false },
      ],
      phones: [{ value: '+4930901820', label: null, primary: true }],
      title: 'CTO',
      company_id: company.id,
      address: {
        street: '1 Main Street',
        city: null,
        state: null,
        postal_code: null,
        country: 'DE',
      },
      consent: { email: true, phone: null, at: '2026-01-31T09:30:00.000Z', source: null },
      owner_id: user,
      tags: ['vip', 'VIP'],
      custom: {},
      external_ids: { hubspot: '4711' },
      created_at: stamp,
      created_by: user,
      updated_at: stamp,
      updated_by: user,
      deleted_at: null,
    });
    expect(await crm.read('contacts', id)).toEqual(dataOf(made));
  });

  it('need a name or an email, and nothing else', async () => {
    expect(await crm.create('contacts', email('a@b.example'))).toMatchObject({
      first_name: null,
      phones: [],
      company_id: null,
      address: null,
      consent: null,
      tags: [],
    });
    const { id } = await crm.create('contacts', { first_name: 'Bob' });
    expect(faultsOf(await crm.send('post', 'contacts', { title: 'CTO' }))).toEqual([
      'last_name nameOrEmail',
    ]);
    const patch = await crm.send('patch', `contacts/${id}`, { first_name: null });
    expect(faultsOf(patch)).toEqual(['last_name nameOrEmail']);
    expect(await crm.create('contacts', { last_name: 'X', owner_id: null })).toMatchObject({
      owner_id: null,
    });
  });

  it.each<[string, object]>([
    ['emails[0].value isEmail', email('nobody')],
    ['emails[0].value isEmail', email('a b@c.example')],
    [
      'emails[1].label too_big',
      { emails: [{ value: 'a@b.io' }, { value: 'c@b.io', label: 'x'.repeat(51) }] },
    ],
    ['emails[0].verified unknownField', { emails: [{ value: 'a@b.io', verified: true }] }],
    ['emails arrayUnique', { emails: [{ value: 'a@b.io' }, { value: 'A@B.io' }] }],
    [
      'emails onePrimary',
      { emails: ['a@b.io', 'c@b.io'].map((value) => ({ value, primary: true })) },
    ],
    [
      'emails too_big',
      { emails: Array.from({ length: 21 }, (_, at) => ({ value: `${String(at)}@b.io` })) },
    ],
    ['emails invalid_type', { emails: 'a@b.io' }],
    ['phones[0].value isPhone', { phones: [{ value: '030 901820' }] }],
    ['phones arrayUnique', { phones: [{ value: '+4930901820' }, { value: '+49 30 901820' }] }],
    ['first_name too_big', { first_name: 'x'.repeat(101) }],
    ['first_name too_small', { first_name: '   ' }],
    ['first_name isText', { first_name: 'a\u0000b' }],
    ['first_name isText', { first_name: 'a\ud800b' }],
    ['title invalid_type', { title: 7 }],
    ['address.country invalid_format', { address: { country: 'de' } }],
    ['address.planet unknownField', { address: { planet: 'Mars' } }],
    ['consent.email invalid_type', { consent: { email: 'yes' } }],
    ['consent.at invalid_format', { consent: { at: 'yesterday' } }],
    ['company_id isUuid', { company_id: 'acme' }],
    ['company_id reference', { company_id: UNKNOWN_ID }],
    ['owner_id reference', { owner_id: UNKNOWN_ID }],
    ['tags arrayUnique', { tags: ['a', ' a'] }],
    ['tags too_big', { tags: Array.from({ length: 51 }, String) }],
    ['tags[0] too_big', { tags: ['x'.repeat(51)] }],
    ['external_ids.Hub Spot invalid_key', { external_ids: { 'Hub Spot': '1' } }],
    ['external_ids.hubspot too_big', { external_ids: { hubspot: 'x'.repeat(201) } }],
    ['custom.height unknownField', { custom: { height: 180 } }],
    ['nickname unknownField', { nickname: 'Bobby' }],
    ['version unknownField', { version: 1 }],
    ['created_by unknownField', { created_by: UNKNOWN_ID }],
    ['organization_id unknownField', { organization_id: 'org_other' }],
    ['deleted_at unknownField', { deleted_at: null }],
    ['merged_ids unknownField', { merged_ids: [] }],
    ['id isUuid', { id: '1' }],
  ])('refuse %s', async (fault, body) => {
    const created = await crm.send('post', 'contacts', { last_name: 'Jones', ...body });
    expect(faultsOf(created)).toEqual([fault]);
  });

  it('are told every fault at once, and never the value', async () => {
    const body = { first_name: 'x'.repeat(101), ...email('secret-nobody'), tags: 'a', nick: 1 };
    const refused = await crm.send('post', 'contacts', body);
    expect(faultsOf(refused).sort()).toEqual([
      'emails[0].value isEmail',
      'first_name too_big',
      'nick unknownField',
      'tags invalid_type',
    ]);
    expect(refused.text).not.toContain('secret-nobody');
  });

  it('have an email that no other has: of fifty at once one gets it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        crm.send('post', 'contacts', {
          first_name: String(at),
          emails: [{ value: at % 2 === 0 ? 'bob@race.example' : 'BOB@Race.example' }],
        }),
      ),
    );
    expect(countStatuses(answers)).toEqual({ 201: 1, 409: 49 });
    const winner = answers.find(({ status }) => status === 201);
    if (!winner) throw new Error('nobody won');
    for (const answer of answers) {
      if (answer !== winner) expectDuplicate(answer, 'email', dataOf(winner).id);
    }
    expect((await crm.page('contacts')).data).toHaveLength(1);
  });

  it('claim all of their emails or none', async () => {
    const first = await crm.create('contacts', email('taken@b.example'));
    const both = { emails: [{ value: 'free@b.example' }, { value: 'taken@b.example' }] };
    expectDuplicate(await crm.send('post', 'contacts', both), 'email', first.id);
    const other = await crm.create('contacts', email('free@b.example'));
    const patched = await crm.send('patch', `contacts/${other.id}`, both);
    expectDuplicate(patched, 'email', first.id);
    expect((await crm.read('contacts', other.id)).version).toBe(1);
  });

  it('give an email up when they lose it or are deleted, and not to come back over another', async () => {
    const one = await crm.create('contacts', email('a@b.example'));
    await crm.patch('contacts', one.id, email('c@b.example'));
    const two = await crm.create('contacts', email('a@b.example'));
    await crm.remove('contacts', two.id);
    const three = await crm.create('contacts', email('a@b.example'));
    expectDuplicate(await crm.send('post', `contacts/${two.id}/restore`), 'email', three.id);
    expect((await crm.get(`contacts/${two.id}`)).status).toBe(404);
    await crm.remove('contacts', three.id);
    const restored = await crm.restore('contacts', two.id);
    expect(restored).toMatchObject({ deleted_at: null, version: 3, emails: two.emails });
    expectDuplicate(await crm.send('post', 'contacts', email('a@b.example')), 'email', two.id);
  });

  it('belong to a live company of their organization, and to one of its active users', async () => {
    const other = new Crm(server.url, await server.api.newAdmin());
    const foreign = await other.create('companies', { name: 'Foreign' });
    const gone = await crm.create('companies', { name: 'Gone' });
    await crm.remove('companies', gone.id);
    const leaver = await server.api.newUser(crm.account as never, 'member');
    await server.api.delete(`/api/v1/users/${leaver.id}`, crm.account.token);
    const { id } = await crm.create('contacts', { last_name: 'Jones' });
    const answers: string[] = [];
    for (const company_id of [foreign.id, gone.id, UNKNOWN_ID]) {
      const created = await crm.send('post', 'contacts', { last_name: 'X', company_id });
      const patched = await crm.send('patch', `contacts/${id}`, { company_id });
      expect([created, patched].flatMap(faultsOf)).toEqual(Array(2).fill('company_id reference'));
      answers.push(created.text, patched.text);
    }
    // Foreign, deleted or unknown: nobody can tell from the answer.
    expect(new Set(answers).size).toBe(1);
    for (const owner_id of [leaver.id, other.account.id]) {
      const refused = await crm.send('patch', `contacts/${id}`, { owner_id });
      expect(faultsOf(refused)).toEqual(['owner_id reference']);
    }
    expect((await crm.read('contacts', id)).version).toBe(1);
  });

  it('can be changed although what they refer to has gone since', async () => {
    const company = await crm.create('companies', { name: 'Acme' });
    const contact = await crm.create('contacts', { last_name: 'J', company_id: company.id });
    await crm.remove('companies', company.id);
    expect(await crm.patch('contacts', contact.id, { title: 'CEO' })).toMatchObject({
      title: 'CEO',
      company_id: company.id,
    });
  });

  it('can have an id of the client’s choice, once in each organization', async () => {
    const id = '01890A5D-AC96-774B-BCCE-B302099A8057';
    const first = await crm.create('contacts', { id, last_name: 'Jones' });
    expect(first.id).toBe(id.toLowerCase());
    const again = await crm.send('post', 'contacts', { id, last_name: 'Smith' });
    expectDuplicate(again, 'id', first.id);
    const other = new Crm(server.url, await server.api.newAdmin());
    expect((await other.create('contacts', { id, last_name: 'Smith' })).id).toBe(first.id);
    expect(await crm.read('contacts', first.id)).toMatchObject({ last_name: 'Jones' });
    expect((await crm.create('companies', { id, name: 'Acme' })).id).toBe(first.id);
  });
});
