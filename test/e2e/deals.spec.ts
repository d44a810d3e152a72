import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'supertest';
import { Maintenance } from '../../src/records/upkeep/maintenance.service';
import { startApp, type TestApp } from '../support/app';
import { type DealBody, dealOf, type PipelineBody, Seller } from '../support/sales';

const UNKNOWN_ID = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';

describe('Deals', () => {
  let server: TestApp;
  let seller: Seller;
  let pipeline: PipelineBody;
  let stage: (name: string) => string;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    seller = new Seller(server, await server.api.newAdmin());
    ({ pipeline, stage } = await seller.pipeline());
  });

  const newDeal = (body: object = {}) =>
    seller.create<DealBody>('deals', { name: 'Acme renewal', ...body });
  const move = (deal: DealBody, body: object) => seller.change<DealBody>(`deals/${deal.id}`, body);
  const faultsOf = (response: Response) => {
    expect(response.status).toBe(400);
    return (response.body as { details: { field: string }[] }).details.map(({ field }) => field);
  };
  const names = async (query: string) =>
    (await seller.read<DealBody[]>(`deals?${query}`)).map(({ name }) => name);

  it('begin in the first stage, with what the organization has for them', async () => {
    await seller.change('organization', { currency: 'CHF' });
    const created = await seller.post('deals', { name: 'Acme renewal', amount: 1_250_000 });
    const deal = dealOf(created);
    expect(created.headers).toMatchObject({ location: `/api/v1/deals/${deal.id}`, etag: '"1"' });
    expect(deal).toMatchObject({
      pipeline_id: pipeline.id,
      stage_id: stage('Lead'),
      amount: 1_250_000,
      currency: 'CHF',
      status: 'open',
      closed_at: null,
      owner_id: seller.account.id,
      contact_ids: [],
      stage_history: [{ stage_id: stage('Lead'), left_at: null, seconds: null }],
    });
    expect(deal.stage_history[0]?.entered_at).toBe(deal.stage_entered_at);
    expect(await move(deal, { currency: 'EUR' })).toMatchObject({ currency: 'EUR' });
    expect(await move(deal, { amount: null })).toMatchObject({ amount: null, currency: null });
  });

  it('go through the stages to their end, and remember how long each took', async () => {
    let deal = await newDeal();
    await sleep(1200);
    deal = await move(deal, { stage_id: stage('Proposal') });
    expect(deal.stage_history.map(({ stage_id, seconds }) => [stage_id, seconds])).toEqual([
      [stage('Lead'), 1],
      [stage('Proposal'), null],
    ]);
    expect(deal.stage_history[0]?.left_at).toBe(deal.stage_entered_at);
    // What is not a move leaves the time alone.
    const renamed = await move(deal, { name: 'Acme', stage_id: stage('Proposal') });
    expect(renamed.stage_history).toEqual(deal.stage_history);

    expect(faultsOf(await seller.patch(`deals/${deal.id}`, { stage_id: stage('Lost') }))).toEqual([
      'lost_reason',
    ]);
    deal = await move(deal, { stage_id: stage('Lost'), lost_reason: 'Price' });
    expect(deal).toMatchObject({ status: 'lost', lost_reason: 'Price' });
    expect(deal.closed_at).toBe(deal.stage_entered_at);
    expect(faultsOf(await seller.patch(`deals/${deal.id}`, { lost_reason: null }))).toEqual([
      'lost_reason',
    ]);

    deal = await move(deal, { stage_id: stage('Won') });
    expect(deal).toMatchObject({ status: 'won', lost_reason: null });
    expect(deal.closed_at).toBe(deal.stage_entered_at);
    deal = await move(deal, { stage_id: stage('Negotiation') });
    expect(deal).toMatchObject({ status: 'open', closed_at: null, version: 6 });
    expect(deal.stage_history).toHaveLength(5);
    const history = await seller.read<{ changes: object }[]>(`deals/${deal.id}/history`);
    expect(history[0]?.changes).toMatchObject({
      stage_id: { from: stage('Won'), to: stage('Negotiation') },
      status: { from: 'won', to: 'open' },
    });
  });

  it.each([
    [{ amount: -1 }, 'amount'],
    [{ amount: 1.5 }, 'amount'],
    [{ amount: 1, currency: 'XXL' }, 'currency'],
    [{ close_date: '2026-02-30' }, 'close_date'],
    [{ probability: 101 }, 'probability'],
    [{ lost_reason: 'Price' }, 'lost_reason'],
    [{ contact_ids: [UNKNOWN_ID, UNKNOWN_ID] }, 'contact_ids'],
    [{ status: 'won' }, 'status'],
    [{ stage_history: [] }, 'stage_history'],
    [{ stage_id: UNKNOWN_ID }, 'stage_id'],
    [{ pipeline_id: UNKNOWN_ID }, 'pipeline_id'],
    [{ company_id: UNKNOWN_ID }, 'company_id'],
    [{ contact_ids: [UNKNOWN_ID] }, 'contact_ids'],
  ])('are refused with %j', async (body, field) => {
    expect(faultsOf(await seller.post('deals', { name: 'Deal', ...body }))).toEqual([field]);
    const deal = await newDeal();
    expect(faultsOf(await seller.patch(`deals/${deal.id}`, body))).toEqual([field]);
  });

  it('name nothing of another organization', async () => {
    const stranger = new Seller(server, await server.api.newAdmin());
    const theirs = await stranger.pipeline();
    const company = await stranger.create<{ id: string }>('companies', { name: 'Theirs' });
    const contact = await stranger.create<{ id: string }>('contacts', { last_name: 'Theirs' });
    const deal = await newDeal();
    for (const body of [
      { pipeline_id: theirs.pipeline.id },
      { stage_id: theirs.stage('Lead') },
      { company_id: company.id },
      { contact_ids: [contact.id] },
    ]) {
      expect(faultsOf(await seller.patch(`deals/${deal.id}`, body))).toEqual(Object.keys(body));
    }
    const foreign = await stranger.create<DealBody>('deals', { name: 'Theirs' });
    expect((await seller.get(`deals/${foreign.id}`)).status).toBe(404);
    expect((await seller.patch(`deals/${foreign.id}`, { name: 'Ours' })).status).toBe(404);
    expect(await names('')).toEqual(['Acme renewal']);
  });

  it('go to the first open stage of another pipeline', async () => {
    const other = await seller.create<PipelineBody>('pipelines', {
      name: 'Partners',
      stages: [
        { name: 'Lost', type: 'lost' },
        { name: 'Talk', type: 'open', probability: 5 },
        { name: 'Won', type: 'won' },
      ],
    });
    const deal = await newDeal({ stage_id: stage('Won') });
    const moved = await move(deal, { pipeline_id: other.id });
    expect(moved).toMatchObject({ stage_id: other.stages[1]?.id, status: 'open', closed_at: null });
    const wrong = { pipeline_id: other.id, stage_id: stage('Proposal') };
    expect(faultsOf(await seller.patch(`deals/${(await newDeal()).id}`, wrong))).toEqual([
      'stage_id',
    ]);
    const direct = await newDeal({ pipeline_id: other.id, stage_id: other.stages[2]?.id });
    expect(direct.status).toBe('won');
  });

  it('are filtered and sorted by what is theirs', async () => {
    const company = await seller.create<{ id: string }>('companies', { name: 'Acme' });
    const contact = await seller.create<{ id: string }>('contacts', { last_name: 'Jones' });
    await newDeal({ name: 'a', amount: 300, close_date: '2026-05-01', company_id: company.id });
    await newDeal({ name: 'b', amount: 20, close_date: '2026-01-01', stage_id: stage('Won') });
    await newDeal({ name: 'c', contact_ids: [contact.id] });
    expect(await names('sort=amount')).toEqual(['c', 'b', 'a']);
    expect(await names('sort=-amount')).toEqual(['a', 'b', 'c']);
    expect(await names('sort=close_date')).toEqual(['b', 'a', 'c']);
    expect(await names(`company_id=${company.id}`)).toEqual(['a']);
    expect(await names(`contact_id=${contact.id}`)).toEqual(['c']);
    expect(await names(`stage_id=${stage('Won')}`)).toEqual(['b']);
    expect(await names('status=open&sort=name')).toEqual(['a', 'c']);
    expect(await names(`pipeline_id=${pipeline.id}&status=won`)).toEqual(['b']);
    expect((await seller.get('deals?status=gone')).status).toBe(400);
  });

  it('are seen by their owner and the managers', async () => {
    const member = new Seller(server, await server.api.newUser(seller.account, 'member'));
    const theirs = await newDeal();
    const own = await member.create<DealBody>('deals', { name: 'Mine' });
    expect(await member.read<DealBody[]>('deals')).toMatchObject([{ id: own.id }]);
    expect((await member.get(`deals/${theirs.id}`)).status).toBe(404);
    expect(await seller.read<DealBody[]>('deals')).toHaveLength(2);
  });

  it('come back to their stage, or to the first one if it is gone', async () => {
    const path = `pipelines/${pipeline.id}`;
    const [kept, moved] = [await newDeal(), await newDeal({ stage_id: stage('Qualified') })];
    for (const { id } of [kept, moved]) await seller.delete(`deals/${id}`);
    const left = pipeline.stages.filter(({ name }) => name !== 'Qualified');
    await seller.change(path, { stages: left });
    for (const { id } of [kept, moved]) await seller.post(`deals/${id}/restore`, {});
    expect(await seller.read(`deals/${kept.id}`)).toMatchObject({
      stage_history: kept.stage_history,
    });
    expect(await seller.read(`deals/${moved.id}`)).toMatchObject({
      stage_id: stage('Lead'),
      stage_history: [{ stage_id: stage('Qualified') }, { stage_id: stage('Lead') }],
    });
    const report = await server.app.get(Maintenance).verify(seller.account.organizationId);
    expect(report.faults).toEqual([]);
  });

  it('follow companies and contacts that are merged, each once', async () => {
    const ids: string[] = [];
    for (const last_name of ['One', 'Two']) {
      ids.push((await seller.create<{ id: string }>('contacts', { last_name })).id);
    }
    const deal = await newDeal({ contact_ids: ids });
    const [winner, loser] = ids;
    await seller.post(`contacts/${String(winner)}/merge`, { loser_ids: [loser] });
    expect(await seller.read(`deals/${deal.id}`)).toMatchObject({ contact_ids: [winner] });
  });

  it('are merged without a reason for what is not lost', async () => {
    const open = await newDeal();
    const lost = await newDeal({
      amount: 5,
      currency: 'EUR',
      stage_id: stage('Lost'),
      lost_reason: 'Twice',
    });
    const merged = await seller.post(`deals/${open.id}/merge`, { loser_ids: [lost.id] });
    expect(merged.status).toBe(200);
    expect(merged.body).toMatchObject({ data: { status: 'open', amount: 5, currency: 'EUR' } });
    expect(await move(open, { name: 'After' })).toMatchObject({ lost_reason: null });
  });
});
