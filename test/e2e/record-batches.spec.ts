import { randomUUID } from 'node:crypto';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { Crm, dataOf, faultsOf, idsOf, type ResultBody, UNKNOWN_ID } from '../support/records';

const resultsOf = (response: { body: unknown }) => (response.body as { data: ResultBody[] }).data;
const kindsOf = (results: readonly ResultBody[]) =>
  results.map(({ status, error }) => (error ? `${String(status)} ${error.code}` : status));

describe('Many writes in one request, and one in many', () => {
  let server: TestApp;
  let crm: Crm;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    crm = new Crm(server.url, await server.api.newAdmin());
  });

  describe('A batch', () => {
    it('of 500 has a result for each, in their order, whatever becomes of the others', async () => {
      const owner = await crm.create('contacts', { emails: [{ value: 'taken@b.example' }] });
      const items = Array.from({ length: 500 }, (_, at) => {
        const last_name = `No ${String(at)}`;
        if (at % 100 === 7) return { data: { last_name, emails: [{ value: 'taken@b.example' }] } };
        if (at % 100 === 8) return { data: { last_name, nick: 1 } };
        if (at % 100 === 9) return { date: { last_name } };
        if (at % 100 === 10) return 'nothing';
        return { data: { last_name } };
      });
      const results = await crm.batch('contacts', 'create', items);
      expect(results).toHaveLength(500);
      results.forEach((result, at) => {
        const { [at % 100]: expected = 201 } = { 7: 409, 8: 400, 9: 400, 10: 400 } as Record<
          number,
          number
        >;
        expect([at, result.status]).toEqual([at, expected]);
        if (expected === 201) expect(result.data).toMatchObject({ last_name: `No ${String(at)}` });
        else
          expectError(
            { success: false, ...result.error },
            expected === 409 ? 'DUPLICATE' : 'VALIDATION_FAILED',
          );
      });
      expect(results[7]?.error?.details).toEqual({ field: 'email', existing_id: owner.id });
      expect(results[8]?.error?.details).toMatchObject([{ field: 'nick', rule: 'unknownField' }]);
      expect(results[9]?.error?.details).toMatchObject([
        { field: 'data', rule: 'invalid_type' },
        { field: 'date', rule: 'unknownField' },
      ]);
      expect(await crm.walk('contacts', { limit: 200 })).toHaveLength(481);
    });

    it('changes, upserts and deletes, each item by its own rules', async () => {
      const [a, b, c] = await Promise.all(
        ['A', 'B', 'C'].map((last_name) => crm.create('contacts', { last_name })),
      );
      if (!a || !b || !c) throw new Error('none');
      const changed = await crm.batch('contacts', 'update', [
        { id: a.id, version: 1, data: { title: 'CTO', last_name: 'AA' } },
        { id: b.id, version: 2, data: { title: 'CTO' } },
        { id: c.id.toUpperCase(), data: { title: 'CEO' } },
        { id: UNKNOWN_ID, data: {} },
        { id: 'x', data: {} },
        { id: a.id, data: {}, version: 0 },
      ]);
      expect(kindsOf(changed)).toEqual([
        200,
        '412 PRECONDITION_FAILED',
        200,
        '404 NOT_FOUND',
        '400 VALIDATION_FAILED',
        '400 VALIDATION_FAILED',
      ]);
      expect(changed[0]?.data).toMatchObject({ version: 2, title: 'CTO', last_name: 'AA' });
      const put = await crm.batch('contacts', 'upsert', [
        { source: 'erp', key: '1', data: { last_name: 'New' } },
        { source: 'erp', key: '2', data: { last_name: 'Other' } },
        { source: 'ERP', key: '1', data: {} },
        { source: 'erp', key: '3', data: {} },
      ]);
      expect(kindsOf(put)).toEqual([201, 201, '400 VALIDATION_FAILED', '400 VALIDATION_FAILED']);
      const again = await crm.batch('contacts', 'upsert', [
        { source: 'erp', key: '1', data: { title: 'X' } },
      ]);
      expect(again).toMatchObject([{ status: 200, data: { id: put[0]?.data?.id, version: 2 } }]);
      const gone = await crm.batch('contacts', 'delete', [
        { id: a.id, version: 1 },
        { id: b.id },
        { id: c.id, version: 2 },
        { id: UNKNOWN_ID },
      ]);
      expect(kindsOf(gone)).toEqual(['412 PRECONDITION_FAILED', 204, 204, '404 NOT_FOUND']);
      expect(
        (await crm.page('contacts', { sort: 'name' })).data.map((one) => one.last_name),
      ).toEqual(['AA', 'New', 'Other']);
    });

    it('with items of one external id makes one record of them', async () => {
      const items = Array.from({ length: 20 }, (_, at) => ({
        source: 'erp',
        key: '1',
        data: { name: 'Acme', size: at },
      }));
      const results = await crm.batch('companies', 'upsert', items);
      expect(results.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(results.filter(({ status }) => status === 200)).toHaveLength(19);
      expect((await crm.page('companies')).data).toHaveLength(1);
    });

    it.each<[string, object]>([
      ['items too_small', { operation: 'create', items: [] }],
      ['items too_big', { operation: 'create', items: Array(501).fill({ data: {} }) }],
      ['items invalid_type', { operation: 'create' }],
      ['operation invalid_value', { operation: 'merge', items: [{}] }],
      ['atomic unknownField', { operation: 'create', items: [{}], atomic: true }],
    ])('is refused as a whole: %s', async (fault, body) => {
      expect(faultsOf(await crm.send('post', 'contacts/batch', body))).toEqual([fault]);
    });

    it('may have a body of a megabyte; a single request 100 kB', async () => {
      const big = (length: number) => ({ last_name: 'J', title: 'x'.repeat(length) });
      const single = await crm.send('post', 'contacts', big(103_000));
      expect(single.status).toBe(413);
      expectError(single.body, 'PAYLOAD_TOO_LARGE');
      expect(single.body).toMatchObject({ details: { limit: 102_400 } });
      const items = Array.from({ length: 100 }, () => ({
        data: { kind: 'note', subject: 'Long', body: 'x'.repeat(9_990) },
      }));
      const results = await crm.batch('activities', 'create', items);
      expect(results.map(({ status }) => status)).toEqual(Array(100).fill(201));
      const tooBig = { operation: 'create', items: Array(300).fill({ data: big(10_000) }) };
      expect((await crm.send('post', 'contacts/batch', tooBig)).status).toBe(413);
    });
  });

  describe('With an Idempotency-Key', () => {
    /** Sends it ten times at once and once more: all that were done answer the same. */
    const repeat = async (send: (headers: Record<string, string>) => ReturnType<Crm['send']>) => {
      const key = randomUUID();
      const answers = await Promise.all(Array.from({ length: 10 }, () => send({ key })));
      const last = await send({ key });
      const done = answers.filter(({ status }) => status !== 409);
      expect(done.length).toBeGreaterThan(0);
      for (const { status, text } of done) {
        expect({ status, text }).toEqual({ status: last.status, text: last.text });
      }
      for (const answer of answers) {
        if (answer.status === 409) expectError(answer.body, 'IDEMPOTENCY_IN_PROGRESS');
      }
      expect(last.headers['idempotency-replayed']).toBe('true');
      return last;
    };

    it('a creation makes one record', async () => {
      const body = { last_name: 'Jones', emails: [{ value: 'a@b.example' }] };
      const answer = await repeat((headers) => crm.send('post', 'contacts', body, headers));
      expect([answer.status, answer.headers.etag]).toEqual([201, '"1"']);
      expect(answer.headers.location).toBe(`/api/v1/contacts/${dataOf(answer).id}`);
      expect(idsOf((await crm.page('contacts')).data)).toEqual([dataOf(answer).id]);
    });

    it('a change makes one version', async () => {
      const { id } = await crm.create('contacts', { last_name: 'Jones' });
      const patch = { title: 'CTO' };
      const answer = await repeat((headers) => crm.send('patch', `contacts/${id}`, patch, headers));
      expect(dataOf(answer)).toMatchObject({ version: 2, title: 'CTO' });
      expect((await crm.read('contacts', id)).version).toBe(2);
    });

    it('a deletion stays one, though the record has come back since', async () => {
      const { id } = await crm.create('contacts', { last_name: 'Jones' });
      const key = randomUUID();
      const send = () => crm.send('delete', `contacts/${id}`, undefined, { key });
      expect((await send()).status).toBe(204);
      await crm.restore('contacts', id);
      expect((await send()).status).toBe(204);
      expect((await crm.read('contacts', id)).version).toBe(3);
    });

    it('a merge is done once', async () => {
      const winner = await crm.create('contacts', { last_name: 'Winner' });
      const loser = await crm.create('contacts', { last_name: 'Loser', title: 'CTO' });
      const path = `contacts/${winner.id}/merge`;
      const body = { loser_ids: [loser.id] };
      const answer = await repeat((headers) => crm.send('post', path, body, headers));
      expect(dataOf(answer)).toMatchObject({ version: 2, title: 'CTO' });
      expect((await crm.walk(`contacts/${winner.id}/history`)).length).toBe(2);
    });

    it('a batch is done once', async () => {
      const items = Array.from({ length: 20 }, (_, at) => ({ data: { last_name: String(at) } }));
      const body = { operation: 'create', items: [...items, { data: {} }] };
      const answer = await repeat((headers) => crm.send('post', 'contacts/batch', body, headers));
      expect(kindsOf(resultsOf(answer))).toEqual([
        ...Array<number>(20).fill(201),
        '400 VALIDATION_FAILED',
      ]);
      expect((await crm.page('contacts')).data).toHaveLength(20);
    });
  });
});
