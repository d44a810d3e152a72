import { countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import {
  Crm,
  dataOf,
  expectDuplicate,
  faultsOf,
  idsOf,
  type RecordBody,
  UNKNOWN_ID,
} from '../support/records';

describe('Companies', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });
  const company = (name: string, parent?: { id: string }) =>
    crm.create('companies', { name, parent_id: parent?.id ?? null });

  it('keep what they are given, each value in its one spelling', async () => {
    const parent = await company('Parent');
    const made = await crm.create('companies', {
      name: ' Acme Ltd ',
      domains: [' ACME.Example. ', 'acme.test'],
      phones: [{ value: '+1 212 555 2368', label: 'main' }],
      website: 'https://acme.example/about',
      industry: 'Manufacturing',
      size: 250,
      address: { city: 'Berlin', postal_code: '10115' },
      parent_id: parent.id,
    });
    expect(made).toMatchObject({
      name: 'Acme Ltd',
      domains: ['acme.example', 'acme.test'],
      phones: [{ value: '+12125552368', label: 'main', primary: true }],
      website: 'https://acme.example/about',
      industry: 'Manufacturing',
      size: 250,
      address: { street: null, city: 'Berlin', state: null, postal_code: '10115', country: null },
      parent_id: parent.id,
      version: 1,
    });
    expect(await crm.read('companies', made.id)).toEqual(made);
    expect(parent).toMatchObject({ domains: [], phones: [], website: null, size: null });
  });

  it.each<[string, object]>([
    ['name invalid_type', { name: undefined }],
    ['name invalid_type', { name: null }],
    ['name too_small', { name: ' ' }],
    ['name too_big', { name: 'x'.repeat(201) }],
    ['domains[0] isDomain', { domains: ['not a domain'] }],
    ['domains[0] isDomain', { domains: ['localhost'] }],
    ['domains arrayUnique', { domains: ['acme.example', 'ACME.example'] }],
    [
      'domains too_big',
      { domains: Array.from({ length: 21 }, (_, at) => `d${String(at)}.example`) },
    ],
    ['phones[0].value isPhone', { phones: [{ value: 'call me' }] }],
    ['website isUrl', { website: 'javascript:alert(1)' }],
    ['website isUrl', { website: 'acme.example' }],
    ['size too_small', { size: -1 }],
    ['size too_big', { size: 10_000_001 }],
    ['size invalid_type', { size: 1.5 }],
    ['size invalid_type', { size: '250' }],
    ['industry too_big', { industry: 'x'.repeat(101) }],
    ['address.postal_code too_big', { address: { postal_code: 'x'.repeat(21) } }],
    ['parent_id isUuid', { parent_id: 'x' }],
    ['parent_id reference', { parent_id: UNKNOWN_ID }],
    ['emails unknownField', { emails: [] }],
    ['updated_at unknownField', { updated_at: '2026-01-31T09:30:00.000Z' }],
  ])('refuse %s', async (fault, body) => {
    const created = await crm.send('post', 'companies', { name: 'Acme', ...body });
    expect(faultsOf(created)).toEqual([fault]);
  });

  it('have a domain that no other has: of fifty at once one gets it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        crm.send('post', 'companies', { name: String(at), domains: ['race.example'] }),
      ),
    );
    expect(countStatuses(answers)).toEqual({ 201: 1, 409: 49 });
    const winner = answers.find(({ status }) => status === 201);
    if (!winner) throw new Error('nobody won');
    for (const answer of answers) {
      if (answer !== winner) expectDuplicate(answer, 'domain', dataOf(winner).id);
    }
    expect((await crm.page('companies')).data).toHaveLength(1);
  });

  it('have an external id that no other has, within their system', async () => {
    const first = await crm.create('companies', { name: 'A', external_ids: { erp: '7' } });
    const same = { name: 'B', external_ids: { erp: '7' } };
    expectDuplicate(await crm.send('post', 'companies', same), 'external:erp', first.id);
    await crm.create('companies', { name: 'B', external_ids: { crm: '7' } });
    await crm.create('contacts', { last_name: 'C', external_ids: { erp: '7' } });
  });

  it('free a domain at once when they are deleted, and restore says who has it now', async () => {
    const one = await crm.create('companies', { name: 'One', domains: ['acme.example'] });
    await crm.remove('companies', one.id);
    const two = await crm.create('companies', { name: 'Two', domains: ['acme.example'] });
    expectDuplicate(await crm.send('post', `companies/${one.id}/restore`), 'domain', two.id);
    await crm.patch('companies', two.id, { domains: [] });
    expect(await crm.restore('companies', one.id)).toMatchObject({ domains: ['acme.example'] });
  });

  it('can be used by other organizations, too', async () => {
    const other = new Crm(server.url, await server.api.newAdmin());
    const body = { name: 'Acme', domains: ['acme.example'], external_ids: { erp: '7' } };
    await crm.create('companies', body);
    await other.create('companies', body);
  });

  it('do not belong to themselves, over however many others', async () => {
    const [a, b] = [await company('A'), await company('B')];
    const c = await company('C', b);
    await crm.patch('companies', b.id, { parent_id: a.id });
    for (const parent of [a, b, c]) {
      const refused = await crm.send('patch', `companies/${a.id}`, { parent_id: parent.id });
      expect(faultsOf(refused)).toEqual(['parent_id noCycle']);
    }
    expect(await crm.read('companies', a.id)).toMatchObject({ version: 1, parent_id: null });
    await crm.patch('companies', b.id, { parent_id: null });
    expect(await crm.patch('companies', a.id, { parent_id: c.id })).toMatchObject({ version: 2 });
  });

  it('are not merged with one above or below them, which would belong to itself then', async () => {
    const top = await company('Top');
    const middle = await company('Middle', top);
    const bottom = await company('Bottom', middle);
    const other = await company('Other');
    const merge = (winner: RecordBody, ...losers: RecordBody[]) =>
      crm.send('post', `companies/${winner.id}/merge`, { loser_ids: idsOf(losers) });
    for (const [winner, ...losers] of [
      [top, middle],
      [middle, top],
      [top, bottom],
      [bottom, top],
      [other, middle, bottom],
    ] as [RecordBody, ...RecordBody[]][]) {
      const refused = await merge(winner, ...losers);
      expect(refused.status).toBe(422);
      expectError(refused.body, 'UNPROCESSABLE');
    }
    expect((await crm.page('companies')).data.map(({ version }) => version)).toEqual([1, 1, 1, 1]);
    expect((await merge(other, middle)).status).toBe(200);
    expect(await crm.read('companies', other.id)).toMatchObject({ parent_id: top.id });
    expect(await crm.read('companies', bottom.id)).toMatchObject({ parent_id: other.id });
  });

  it('belong to twenty others, one above the other, and to no more', async () => {
    const all = [await company('0')];
    for (let at = 1; at <= 21; at++) all.push(await company(String(at), all.at(-1)));
    const last = await company('Last');
    const move = (parent_id?: string) => crm.send('patch', `companies/${last.id}`, { parent_id });
    expect((await move(all[19]?.id)).status).toBe(200);
    expect(faultsOf(await move(all[20]?.id))).toEqual(['parent_id noCycle']);
  });

  it('belong to a live company of their own organization', async () => {
    const other = new Crm(server.url, await server.api.newAdmin());
    const foreign = await other.create('companies', { name: 'Foreign' });
    const gone = await company('Gone');
    await crm.remove('companies', gone.id);
    const { id } = await company('Acme');
    for (const parent_id of [foreign.id, gone.id]) {
      const created = await crm.send('post', 'companies', { name: 'X', parent_id });
      const patched = await crm.send('patch', `companies/${id}`, { parent_id });
      expect([created, patched].flatMap(faultsOf)).toEqual(Array(2).fill('parent_id reference'));
    }
  });
});
