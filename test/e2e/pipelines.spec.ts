import type { Response } from 'supertest';
import { Maintenance } from '../../src/records/upkeep/maintenance.service';
import { countStatuses } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { sendTo } from '../support/probe';
import { type DealBody, type PipelineBody, pipelineOf, Seller } from '../support/sales';

const UNKNOWN_ID = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';
const STAGES = [
  { name: 'Talk', type: 'open', probability: 20 },
  { name: 'Offer', type: 'open', probability: 50 },
  { name: 'Won', type: 'won' },
  { name: 'Lost', type: 'lost' },
];

describe('Pipelines', () => {
  let server: TestApp;
  let seller: Seller;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    seller = new Seller(server, await server.api.newAdmin());
  });

  const faultsOf = (response: Response) =>
    (response.body as { details: { field: string }[] }).details.map(({ field }) => field);

  it('begin with one for everybody, just one, also when many ask for it at once', async () => {
    const viewer = new Seller(server, await server.api.newUser(seller.account, 'viewer'));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0
          ? viewer.get('pipelines')
          : seller.post('deals', { name: `Deal ${String(index)}` }),
      ),
    );
    expect(countStatuses(answers)).toEqual({ 200: 10, 201: 10 });
    const all = await seller.read<PipelineBody[]>('pipelines');
    expect(all).toMatchObject([{ name: 'Sales', is_default: true, version: 1 }]);
    expect(all[0]?.stages.map(({ name, probability }) => [name, probability])).toEqual([
      ['Lead', 10],
      ['Qualified', 30],
      ['Proposal', 60],
      ['Negotiation', 80],
      ['Won', 100],
      ['Lost', 0],
    ]);
    const deals = await seller.read<DealBody[]>('deals');
    expect(new Set(deals.map(({ pipeline_id: id }) => id))).toEqual(new Set([all[0]?.id]));
    const report = await server.app.get(Maintenance).verify(seller.account.organizationId);
    expect(report).toMatchObject({ records: 11, faults: [] });
  });

  it('have what a pipeline needs, and nothing of what a record of people has', async () => {
    const created = await seller.post('pipelines', { name: ' Partners ', stages: STAGES });
    expect(created.status).toBe(201);
    const pipeline = pipelineOf(created);
    expect(created.headers).toMatchObject({
      location: `/api/v1/pipelines/${pipeline.id}`,
      etag: '"1"',
    });
    expect(Object.keys(pipeline)).toEqual([
      'id',
      'organization_id',
      'version',
      'name',
      'stages',
      'is_default',
      'created_at',
      'created_by',
      'updated_at',
      'updated_by',
      'deleted_at',
    ]);
    expect(pipeline).toMatchObject({ name: 'Partners', is_default: true });
    expect(pipeline.stages).toMatchObject([
      { ...STAGES[0], order: 0 },
      { ...STAGES[1], order: 1 },
      { ...STAGES[2], order: 2, probability: 100 },
      { ...STAGES[3], order: 3, probability: 0 },
    ]);
    expect(await seller.read(`pipelines/${pipeline.id}`)).toEqual(pipeline);
    // The organization has one now: it gets no other.
    expect(await seller.read('pipelines')).toEqual([pipeline]);
  });

  it.each<[string, object, string[]]>([
    ['nothing', {}, ['name', 'stages']],
    ['an owner', { name: 'x', stages: STAGES, owner_id: UNKNOWN_ID }, ['owner_id']],
    ['tags', { name: 'x', stages: STAGES, tags: ['a'] }, ['tags']],
    ['a long name', { name: 'x'.repeat(101), stages: STAGES }, ['name']],
    ['one stage', { name: 'x', stages: STAGES.slice(0, 1) }, ['stages']],
    ['31 stages', { name: 'x', stages: Array<object>(31).fill({}) }, ['stages']],
    ['no lost stage', { name: 'x', stages: STAGES.slice(0, 3) }, ['stages']],
    ['a name twice', { name: 'x', stages: [STAGES[0], ...STAGES] }, ['stages[1].name']],
    [
      'a won stage of 90 %',
      { name: 'x', stages: [STAGES[0], { ...STAGES[2], probability: 90 }, STAGES[3]] },
      ['stages[1].probability'],
    ],
  ])('are refused with %s', async (_what, body, fields) => {
    const response = await seller.post('pipelines', body);
    expect(response.status).toBe(400);
    expect(faultsOf(response)).toEqual(expect.arrayContaining(fields));
  });

  it('have names and stage ids that are their own', async () => {
    const first = await seller.create<PipelineBody>('pipelines', { name: 'One', stages: STAGES });
    const again = await seller.post('pipelines', { name: 'ONE', stages: STAGES });
    expectError(again.body, 'DUPLICATE');
    expect(again.body).toMatchObject({ details: { field: 'name', existing_id: first.id } });
    const copy = await seller.post('pipelines', { name: 'Two', stages: first.stages });
    expect(copy.body).toMatchObject({ details: { field: 'stages.id', existing_id: first.id } });
    expect((await seller.delete(`pipelines/${first.id}`)).status).toBe(204);
    expect((await seller.post('pipelines', { name: 'Two', stages: first.stages })).status).toBe(
      201,
    );
    expect((await seller.post('pipelines', { name: 'one', stages: STAGES })).status).toBe(201);
  });

  it('keep a stage by its id, whatever else of it changes', async () => {
    const { id, stages } = await seller.create<PipelineBody>('pipelines', {
      name: 'One',
      stages: STAGES,
    });
    const [talk, offer, won, lost] = stages;
    const changed = await seller.change<PipelineBody>(`pipelines/${id}`, {
      stages: [
        { name: 'Signed', type: 'won', id: won?.id },
        { name: 'Visit', type: 'open', probability: 70, order: 1 },
        { ...talk, name: 'Chat', probability: 25 },
        { ...lost, order: 9 },
      ],
    });
    expect(changed.stages).toMatchObject([
      { id: won?.id, name: 'Signed', order: 0 },
      { id: talk?.id, name: 'Chat', probability: 25, order: 1 },
      { name: 'Visit', order: 2 },
      { id: lost?.id, order: 3 },
    ]);
    expect(changed.stages.map((stage) => stage.id)).not.toContain(offer?.id);
    expect(changed).toMatchObject({ name: 'One', version: 2 });
  });

  it('are changed by who knows their version, and once for an Idempotency-Key', async () => {
    const key = 'one pipeline';
    const { token } = seller.account;
    const body = { name: 'One', stages: STAGES };
    const send = (sent: object) =>
      sendTo(server.url, 'post', '/api/v1/pipelines', { token, key, body, ...sent });
    const [first, second] = [await send({}), await send({})];
    expect(second.body).toEqual(first.body);
    const { id } = pipelineOf(first);
    const rename = (name: string, tag: string) =>
      sendTo(server.url, 'patch', `/api/v1/pipelines/${id}`, {
        token,
        body: { name },
        headers: { 'If-Match': tag },
      });
    expect((await rename('Two', '"1"')).headers.etag).toBe('"2"');
    const late = await rename('Three', '"1"');
    expect(late.status).toBe(412);
    expect(late.body).toMatchObject({ details: { current_version: 2, changed_fields: ['name'] } });
  });

  it('keep the stages that deals are in', async () => {
    const { pipeline } = await seller.pipeline();
    const [lead, qualified, ...others] = pipeline.stages;
    const path = `pipelines/${pipeline.id}`;
    const deal = await seller.create<DealBody>('deals', { name: 'Deal', stage_id: qualified?.id });
    const without = { stages: [lead, ...others] };
    const refused = await seller.patch(path, without);
    expectError(refused.body, 'CONFLICT');
    expect(refused.body).toMatchObject({ details: { stage_ids: [qualified?.id] } });
    const asLost = { ...qualified, type: 'lost', probability: 0 };
    expect((await seller.patch(path, { stages: [lead, asLost, ...others] })).status).toBe(409);
    expectError((await seller.delete(path)).body, 'CONFLICT');
    // Everything else of it can change.
    const renamed = { ...qualified, name: 'Checked', probability: 35, order: 0 };
    expect((await seller.patch(path, { stages: [lead, renamed, ...others] })).status).toBe(200);
    await seller.change(`deals/${deal.id}`, { stage_id: lead?.id });
    expect((await seller.patch(path, without)).status).toBe(200);
    expect((await seller.delete(`deals/${deal.id}`)).status).toBe(204);
    expect((await seller.delete(path)).status).toBe(204);
    expect((await seller.get(path)).status).toBe(404);
  });

  it('have an oldest one, which is the default', async () => {
    const { pipeline } = await seller.pipeline();
    const next = await seller.create<PipelineBody>('pipelines', { name: 'Next', stages: STAGES });
    expect(next.is_default).toBe(false);
    await seller.delete(`pipelines/${pipeline.id}`);
    expect(await seller.read(`pipelines/${next.id}`)).toMatchObject({ is_default: true });
    const deal = await seller.create<DealBody>('deals', { name: 'Deal' });
    expect(deal.pipeline_id).toBe(next.id);
  });

  it('are listed in pages', async () => {
    for (const name of ['One', 'Two', 'Three']) {
      await seller.create('pipelines', { name, stages: STAGES });
    }
    const page = await seller.get('pipelines?limit=2');
    const { next_cursor: cursor } = (page.body as { meta: { next_cursor: string } }).meta;
    const rest = await seller.read<PipelineBody[]>(`pipelines?limit=2&cursor=${cursor}`);
    expect(
      [...(page.body as { data: PipelineBody[] }).data, ...rest].map(({ name }) => name),
    ).toEqual(['One', 'Two', 'Three']);
  });

  it('are set up by managers, read by all, and of no other organization', async () => {
    const { pipeline } = await seller.pipeline();
    const path = `pipelines/${pipeline.id}`;
    const member = new Seller(server, await server.api.newUser(seller.account, 'member'));
    expect((await member.get(path)).status).toBe(200);
    expect((await member.patch(path, { name: 'Mine' })).status).toBe(403);
    expect((await member.delete(path)).status).toBe(403);
    expect((await member.post('pipelines', { name: 'x', stages: STAGES })).status).toBe(403);
    const stranger = new Seller(server, await server.api.newAdmin());
    for (const end of ['', '/board', '/forecast', '/conversion']) {
      expect((await stranger.get(path + end)).body).toEqual(
        (await stranger.get(`pipelines/${UNKNOWN_ID}${end}`)).body,
      );
      expect((await stranger.get(path + end)).status).toBe(404);
    }
    expect((await stranger.patch(path, { name: 'Theirs' })).status).toBe(404);
    expect((await stranger.delete(path)).status).toBe(404);
    expect(await seller.read(path)).toEqual(pipeline);
  });
});
