import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import supertest, { type Response } from 'supertest';
import { AppError } from '../../src/common/errors';
import { newId } from '../../src/common/operation';
import { createDocument } from '../../src/openapi';
import { type Account, countStatuses, type Method, newEmail, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { fillPath } from '../support/paths';
import { probe, ProbeController, replayed, type Sent, sendTo } from '../support/probe';

const essence = ({ status, text }: Response) => ({ status, text });
const idOf = (response: Response) => (response.body as { data: { id: string } }).data.id;
const INVITATIONS = '/api/v1/invitations';
const KEYS = '/api/v1/api-keys';
const ME = '/api/v1/users/me';
const PROBE = '/api/v1/probe';

describe('A write with an Idempotency-Key', () => {
  let server: TestApp;
  let admin: Account;
  let key: string;
  beforeAll(async () => {
    server = await startApp({ CORS_ORIGINS: 'https://good.test' }, [ProbeController]);
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    admin = await server.api.newAdmin();
    key = randomUUID();
    probe.runs.length = 0;
    probe.outcome = () => ({ id: newId('record') });
  });

  const send = (method: Method, path: string, sent: Sent = {}) =>
    sendTo(server.url, method, path, { token: admin.token, key, ...sent });
  const countOf = async (path: string) =>
    ((await server.api.get(path, admin.token)).body as { data: unknown[] }).data.length;

  describe('sent again', () => {
    it.each([
      [INVITATIONS, () => ({ email: newEmail(), role: 'viewer' })],
      [KEYS, () => ({ name: 'sync', role: 'viewer' })],
    ])('POST %s: has one effect and one answer', async (path, make) => {
      const body = make();
      const first = await send('post', path, { body });
      const again = await send('post', path, { body });
      expect(first.status).toBe(201);
      expect(essence(again)).toEqual(essence(first));
      expect([first, again].map(replayed)).toEqual([false, true]);
      expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
      expect(await countOf(path)).toBe(1);
    });

    it('PATCH: does not undo what has come in between', async () => {
      const first = await send('patch', ME, { body: { first_name: 'Ada' } });
      await send('patch', ME, { key: undefined, body: { first_name: 'Grace' } });
      const again = await send('patch', ME, { body: { first_name: 'Ada' } });
      expect(essence(again)).toEqual(essence(first));
      const me = await server.api.get(ME, admin.token);
      expect(me.body).toMatchObject({ data: { first_name: 'Grace' } });
    });

    it('DELETE: answers 204 without a body, and not that it is gone', async () => {
      const id = idOf(await send('post', KEYS, { body: { name: 'sync', role: 'viewer' } }));
      const first = await send('delete', `${KEYS}/${id}`);
      const again = await send('delete', `${KEYS}/${id}`);
      expect([first, again].map(essence)).toEqual(Array(2).fill({ status: 204, text: '' }));
      expect(replayed(again)).toBe(true);
      expect((await send('delete', `${KEYS}/${id}`, { key: undefined })).status).toBe(404);
    });

    it('answers the same when its fields come in another order', async () => {
      const email = newEmail();
      await send('post', INVITATIONS, { body: { email, role: 'viewer' } });
      const again = await send('post', INVITATIONS, { body: { role: 'viewer', email } });
      expect([again.status, replayed(again)]).toEqual([201, true]);
    });

    it('answers a status and the headers of the handler’s own', async () => {
      probe.outcome = (response) => {
        response.status(207).set({ Location: '/api/v1/contacts/1', ETag: '"7"', 'X-Other': 'x' });
        return [{ status: 201 }, { status: 409, 2: 'two', 1: 'one' }];
      };
      const first = await send('post', PROBE);
      const again = await send('post', PROBE);
      expect(first.status).toBe(207);
      expect(essence(again)).toEqual(essence(first));
      expect(again.headers).toMatchObject({ location: '/api/v1/contacts/1', etag: '"7"' });
      expect(again.headers).not.toHaveProperty('x-other');
      expect(again.headers['content-type']).toBe(first.headers['content-type']);
      expect(probe.runs).toHaveLength(1);
    });

    it('is what an error answers, too', async () => {
      const taken = { body: { email: admin.email } };
      const first = await send('post', INVITATIONS, taken);
      const again = await send('post', INVITATIONS, taken);
      expect(first.status).toBe(409);
      expectError(first.body, 'EMAIL_TAKEN');
      expect(essence(again)).toEqual(essence(first));
      expect([first, again].map(replayed)).toEqual([false, true]);

      key = randomUUID();
      const bad = { body: { email: 'nobody', surprise: 1 } };
      const refused = await send('post', INVITATIONS, bad);
      const refusedAgain = await send('post', INVITATIONS, bad);
      expect(refused.status).toBe(400);
      expect(essence(refusedAgain)).toEqual(essence(refused));
      expect(replayed(refusedAgain)).toBe(true);
    });

    it('is what an error answers, with its headers', async () => {
      probe.outcome = (response) => {
        response.set('ETag', '"9"');
        throw new AppError('CONFLICT', {
          message: 'Own words.',
          details: { current: 9 },
          headers: { Allow: 'GET' },
        });
      };
      const first = await send('post', PROBE);
      probe.outcome = () => 'another time it would work';
      const again = await send('post', PROBE);
      expect(essence(again)).toEqual(essence(first));
      expect(again.body).toMatchObject({ message: 'Own words.', details: { current: 9 } });
      expect(again.headers).toMatchObject({ etag: '"9"', allow: 'GET' });
      expect(probe.runs).toHaveLength(1);
    });
  });

  it('runs again at once when it failed or was refused for now, with the same ids', async () => {
    const failures: (() => unknown)[] = [
      () => {
        throw new Error('a fault of ours');
      },
      () => {
        throw new AppError('SERVICE_UNAVAILABLE');
      },
      () => {
        throw new AppError('FORBIDDEN');
      },
      () => {
        throw new AppError('CONFLICT', { headers: { 'Retry-After': '1' } });
      },
    ];
    const statuses: number[] = [];
    for (const failure of failures) {
      probe.outcome = failure;
      statuses.push((await send('post', PROBE)).status);
    }
    expect(statuses).toEqual([500, 503, 403, 409]);
    probe.outcome = () => ({ id: newId('record') });
    const done = await send('post', PROBE);
    const again = await send('post', PROBE);
    expect([done.status, replayed(done), replayed(again)]).toEqual([201, false, true]);
    expect(probe.runs).toHaveLength(failures.length + 1);
    expect(probe.runs.map(({ replay }) => replay)).toEqual([false, true, true, true, true]);
    expect(new Set(probe.runs.map(({ id }) => id)).size).toBe(1);
    expect(probe.runs[0]?.id).not.toBe(probe.runs[0]?.other);
    expect(idOf(again)).toBe(probe.runs[0]?.id);
  });

  it('does not run again for a request that differs from the one that failed', async () => {
    probe.outcome = () => {
      throw new Error('a fault of ours');
    };
    expect((await send('post', PROBE, { body: { a: 1 } })).status).toBe(500);
    const other = await send('post', PROBE, { body: { a: 2 } });
    expect(other.status).toBe(422);
    expectError(other.body, 'IDEMPOTENCY_KEY_REUSED');
    expect(probe.runs).toHaveLength(1);
  });

  it('has one effect when it is sent 20 times at once', async () => {
    const body = { email: newEmail() };
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => send('post', INVITATIONS, { body })),
    );
    const done = responses.filter(({ status }) => status === 201);
    const others = responses.filter(({ status }) => status !== 201);
    expect(done.filter((response) => !replayed(response))).toHaveLength(1);
    expect(new Set(done.map(({ text }) => text)).size).toBe(1);
    expect(countStatuses(others)).toEqual(others.length > 0 ? { 409: others.length } : {});
    for (const { body: answer, headers } of others) {
      expectError(answer, 'IDEMPOTENCY_IN_PROGRESS');
      expect(headers['retry-after']).toBe('1');
    }
    expect(await countOf(INVITATIONS)).toBe(1);
    const late = await send('post', INVITATIONS, { body });
    expect(late.text).toBe(done[0]?.text);
  });

  it('tells that it is still running', async () => {
    let end: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      probe.outcome = () => {
        resolve();
        return new Promise<void>((ended) => {
          end = ended;
        });
      };
    });
    const first = send('post', PROBE);
    await started;
    const second = await send('post', PROBE);
    expect(second.status).toBe(409);
    expectError(second.body, 'IDEMPOTENCY_IN_PROGRESS');
    end();
    expect((await first).status).toBe(201);
    expect(replayed(await send('post', PROBE))).toBe(true);
    expect(probe.runs).toHaveLength(1);
  });

  it('is done and kept for a client that has gone away', async () => {
    let end: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      probe.outcome = () => {
        resolve();
        const answer = { id: newId('record') };
        return new Promise<object>((ended) => {
          end = () => {
            ended(answer);
          };
        });
      };
    });
    const leaving = new AbortController();
    const headers = { Authorization: `Bearer ${admin.token}`, 'Idempotency-Key': key };
    const first = fetch(`${server.url}${PROBE}`, {
      method: 'POST',
      headers,
      signal: leaving.signal,
    });
    await started;
    leaving.abort();
    await expect(first).rejects.toThrow(/abort/);
    end();
    let again = await send('post', PROBE);
    for (let attempt = 0; attempt < 50 && again.status === 409; attempt++) {
      await sleep(100);
      again = await send('post', PROBE);
    }
    expect([again.status, replayed(again)]).toEqual([201, true]);
    expect(idOf(again)).toBe(probe.runs[0]?.id);
    expect(probe.runs).toHaveLength(1);
  });

  it('is answered with 422 when it is another request', async () => {
    const body = { email: newEmail() };
    await send('post', INVITATIONS, { body });
    const others = [
      await send('post', INVITATIONS, { body: { email: newEmail() } }),
      await send('post', INVITATIONS, { body: { ...body, role: 'viewer' } }),
      await send('post', INVITATIONS),
      await send('post', `${INVITATIONS}?x=1`, { body }),
      await send('post', INVITATIONS, { body, headers: { 'If-Match': '"1"' } }),
    ];
    for (const response of others) {
      expect([response.status, replayed(response)]).toEqual([422, false]);
      expectError(response.body, 'IDEMPOTENCY_KEY_REUSED');
      expect(response.text).not.toContain(body.email);
    }
    expect(await countOf(INVITATIONS)).toBe(1);
  });

  it('J5: is nothing to another organization, user, API key or route', async () => {
    const own = await send('post', PROBE);
    const stranger = await server.api.newAdmin();
    const colleague = await server.api.newUser(admin, 'member');
    const keys = [];
    for (const name of ['one', 'two']) {
      const made = await send('post', KEYS, { key: undefined, body: { name, role: 'viewer' } });
      keys.push((made.body as { data: { key: string } }).data.key);
    }
    const answers = [own];
    for (const token of [stranger.token, colleague.token, ...keys]) {
      answers.push(await send('post', PROBE, { token }));
      // Not even whether the key was used, for which request.
      const other = await send('post', PROBE, { token, key: `${key}2`, body: { a: token } });
      expect(other.status).toBe(201);
    }
    expect(answers.map((one) => [one.status, replayed(one)])).toEqual(Array(5).fill([201, false]));
    expect(new Set(answers.map(idOf)).size).toBe(5);
    const elsewhere = await send('patch', ME, { body: { first_name: 'Ada' } });
    expect([elsewhere.status, replayed(elsewhere)]).toEqual([200, false]);
    // A second session is the same user.
    const { organizationId: organization_id, email, password } = admin;
    const login = await server.api.login({ organization_id, email, password });
    const { access_token: token } = (login.body as { data: { access_token: string } }).data;
    const again = await send('post', PROBE, { token });
    expect([replayed(again), idOf(again)]).toEqual([true, idOf(own)]);
  });

  it('is not answered to one who may not do it any more', async () => {
    const second = await server.api.newUser(admin, 'admin');
    const sent = { token: second.token, body: { name: 'sync', role: 'viewer' } };
    expect((await send('post', KEYS, sent)).status).toBe(201);
    const path = `/api/v1/users/${second.id}`;
    await server.api.patch(path, { role: 'member' }, admin.token);
    expect((await send('post', KEYS, sent)).status).toBe(403);
    await server.api.delete(path, admin.token);
    expect((await send('post', KEYS, sent)).status).toBe(401);
  });

  it.each([[''], ['x'.repeat(256)], ['schl\u00fcssel'], ['a\tb']])(
    'is refused with the key %j',
    async (bad) => {
      const response = await send('post', PROBE, { key: bad });
      expect(response.status).toBe(400);
      expectError(response.body, 'VALIDATION_FAILED');
      expect(response.body).toMatchObject({ details: [{ field: 'Idempotency-Key' }] });
      expect(probe.runs).toHaveLength(0);
    },
  );

  it('may have a key of 255 printable characters of any kind', async () => {
    const long = ` !"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}~${'x'.repeat(255)}`.trim().slice(0, 255);
    expect((await send('post', PROBE, { key: long })).status).toBe(201);
    expect(replayed(await send('post', PROBE, { key: long }))).toBe(true);
  });

  it('is what only a write of a known caller is', async () => {
    for (const bad of [key, '', 'x'.repeat(300)]) {
      for (const [method, path] of [
        ['get', PROBE],
        ['post', `${PROBE}/public`],
      ] as const) {
        const responses = [
          await send(method, path, { key: bad }),
          await send(method, path, { key: bad }),
        ];
        expect(responses.map((one) => [one.status, replayed(one)])).toEqual(
          Array(2).fill([200, false]),
        );
      }
    }
    expect(probe.runs).toHaveLength(12);
    const account = { organization_id: admin.organizationId, email: newEmail() };
    const body = { ...account, password: newPassword() };
    const stranger = await send('post', '/api/auth/register', { token: undefined, body });
    expect([stranger.status, replayed(stranger)]).toEqual([403, false]);
  });

  it('is for browsers to send, and its repetition for them to see', async () => {
    const asked = await supertest(server.url)
      .options(INVITATIONS)
      .set('Origin', 'https://good.test')
      .set('Access-Control-Request-Method', 'POST')
      .set('Access-Control-Request-Headers', 'idempotency-key');
    expect(asked.headers['access-control-allow-headers']).toContain('idempotency-key');
    const response = await send('post', PROBE, { headers: { Origin: 'https://good.test' } });
    expect(response.headers['access-control-expose-headers']).toContain('Idempotency-Replayed');
  });

  it('is documented at every write that has a caller, and nowhere else', () => {
    const described = Object.entries(createDocument(server.app).paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => {
        const { parameters, responses } = operation as {
          parameters?: { name: string; in: string; required?: boolean }[];
          responses: Record<string, { description: string }>;
        };
        return {
          name: `${method} ${path}`,
          open: (operation as Record<string, unknown>)['x-access'] === 'public',
          header: (parameters ?? []).some((one) => one.name === 'Idempotency-Key' && !one.required),
          codes: `${responses['409']?.description ?? ''}, ${responses['422']?.description ?? ''}`,
        };
      }),
    );
    expect(described.length).toBeGreaterThan(20);
    for (const { name, open, header, codes } of described) {
      // A file is made anew each time, and changes nothing.
      const isFile = name === 'post /api/v1/organization/export';
      const expected = !open && !name.startsWith('get ') && !isFile;
      expect([name, header, /IDEMPOTENCY_IN_PROGRESS.*IDEMPOTENCY_KEY_REUSED/.test(codes)]).toEqual(
        [name, expected, expected],
      );
    }
  });

  it('counts wherever it is documented', async () => {
    const { paths } = createDocument(server.app);
    const routes = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item as Record<string, { parameters?: { name: string }[] }>)
        .filter(([, { parameters }]) => parameters?.some(({ name }) => name === 'Idempotency-Key'))
        .map(([method]) => [method as Method, fillPath(path)] as const),
    );
    expect(routes.length).toBeGreaterThan(40);
    for (const [method, path] of routes) {
      const response = await send(method, path, { key: 'x'.repeat(300) });
      const [fault] = (response.body as { details: { field: string }[] }).details;
      expect([method, path, response.status, fault?.field]).toEqual([
        method,
        path,
        400,
        'Idempotency-Key',
      ]);
    }
  });
});
