import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { HealthCheckService } from '@nestjs/terminus';
import { type Account, newOrganizationId } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { ERRORS } from '../../src/common/errors';
import { UsersService } from '../../src/users/users.service';

interface RawAnswer {
  status: number;
  headers: string;
  body: unknown;
}

/** Sends bytes as they are: what no client library would send is sent, too. */
function raw(port: number, request: Buffer | string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => {
      const [headers = '', ...body] = Buffer.concat(chunks).toString().split('\r\n\r\n');
      const text = body.join('\r\n\r\n');
      resolve({
        status: Number(headers.split(' ')[1]),
        headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      });
    });
  });
}

function post(path: string, body: Buffer | string, headers: Record<string, string> = {}): Buffer {
  const all = {
    Host: 'localhost',
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`),
    Buffer.from(body),
  ]);
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`;

describe('The error envelope, over a bare socket', () => {
  let server: TestApp;
  let admin: Account;
  beforeAll(async () => {
    server = await startApp();
    admin = await server.api.newAdmin();
  });
  afterAll(() => server.close());

  const login = '/api/auth/login';
  const CANARY = 'canary7f3a';
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  const cases: [string, () => Buffer | string, keyof typeof ERRORS][] = [
    ['an unknown route', () => get(`/${CANARY}`), 'NOT_FOUND'],
    ['an unknown route below a known one', () => get(`/api/v1/users/me/${CANARY}`), 'NOT_FOUND'],
    ['a wrong method', () => post('/api/v1/ping', '{}'), 'METHOD_NOT_ALLOWED'],
    ['TRACE', () => get('/api/v1/ping').replace('GET', 'TRACE'), 'METHOD_NOT_ALLOWED'],
    [
      'a method that is none',
      () => get('/api/v1/ping').replace('GET', 'FETCH'),
      'MALFORMED_REQUEST',
    ],
    ['bytes that are not HTTP', () => '\u0016\u0003\u0001\r\n\r\n', 'MALFORMED_REQUEST'],
    [
      'bad percent-encoding',
      () => get('/api/v1/users/%ff', `Authorization: Bearer ${admin.token}\r\n`),
      'MALFORMED_REQUEST',
    ],
    ['malformed JSON', () => post(login, `{"${CANARY}": `), 'MALFORMED_JSON'],
    ['a body that is a list', () => post(login, '[]'), 'VALIDATION_FAILED'],
    ['a body that is a scalar', () => post(login, '"text"'), 'VALIDATION_FAILED'],
    ['a body that is null', () => post(login, 'null'), 'VALIDATION_FAILED'],
    ['no body', () => post(login, ''), 'VALIDATION_FAILED'],
    [
      'a form',
      () => post(login, 'a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }),
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'plain text',
      () => post(login, '{}', { 'Content-Type': 'text/plain' }),
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'another charset',
      () => post(login, '{}', { 'Content-Type': 'application/json; charset=utf-16' }),
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'an unknown encoding',
      () => post(login, '{}', { 'Content-Encoding': 'zip' }),
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a body over the limit',
      () => post(login, `{"a":"${'x'.repeat(200_000)}"}`),
      'PAYLOAD_TOO_LARGE',
    ],
    [
      'a body over the limit after gunzip',
      () =>
        post(login, gzipSync(`{"a":"${'x'.repeat(5_000_000)}"}`), { 'Content-Encoding': 'gzip' }),
      'PAYLOAD_TOO_LARGE',
    ],
    [
      'what calls itself gzip and is not',
      () => post(login, '{}', { 'Content-Encoding': 'gzip' }),
      'MALFORMED_REQUEST',
    ],
    ['JSON deeper than 20', () => post(login, nested(21)), 'VALIDATION_FAILED'],
    [
      'JSON of 40,000 brackets',
      () => post(login, `{"a":${'['.repeat(40_000)}${']'.repeat(40_000)}}`),
      'VALIDATION_FAILED',
    ],
    [
      'a key that reaches a prototype',
      () => post(login, '{"a":{"__proto__":{"admin":true}}}'),
      'VALIDATION_FAILED',
    ],
    [
      'headers of 20 kB',
      () => get('/health', `X-Long: ${'x'.repeat(20_000)}\r\n`),
      'HEADERS_TOO_LARGE',
    ],
    ['a URL of 20 kB', () => get(`/health?${'x'.repeat(20_000)}`), 'HEADERS_TOO_LARGE'],
    [
      'an answer in another format',
      () => get('/api/v1/ping', 'Accept: text/html\r\n'),
      'NOT_ACCEPTABLE',
    ],
    ['no token', () => get('/api/v1/users'), 'UNAUTHENTICATED'],
    [
      'a wrong password',
      () =>
        post(
          login,
          JSON.stringify({
            organization_id: newOrganizationId(),
            email: 'a@example.com',
            password: CANARY,
          }),
        ),
      'INVALID_CREDENTIALS',
    ],
    [
      'a foreign cursor',
      () => get(`/api/v1/users?cursor=${CANARY}`, `Authorization: Bearer ${admin.token}\r\n`),
      'INVALID_CURSOR',
    ],
  ];

  it.each(cases)(
    'F1, F2, F3, F11, H1, H3: answers %s in the envelope',
    async (_kind, request, code) => {
      const answer = await raw(server.port, request());
      expect(answer.status).toBe(ERRORS[code][0]);
      expectError(answer.body, code);
      expect(answer.headers).toMatch(/^x-request-id: [\w-]{1,64}$/im);
      expect(answer.headers).toMatch(/^content-type: application\/json/im);
      expect(JSON.stringify(answer.body)).not.toContain(CANARY);
      expect(answer.headers).not.toMatch(/x-powered-by/i);
      if (answer.status === 401) expect(answer.headers).toMatch(/^www-authenticate: Bearer$/im);
    },
  );

  it('says which methods there are', async () => {
    expect((await raw(server.port, post('/api/v1/users', '{}'))).headers).toMatch(
      /^allow: GET, HEAD$/im,
    );
    const put = await server.api.call('put', '/api/v1/users/me', {});
    expect(put.headers.allow).toBe('DELETE, GET, HEAD, PATCH');
    const login = await server.api.get('/api/auth/login');
    expect(login.headers.allow).toBe('POST');
  });

  it('takes JSON of depth 20, gzip within the limit, and a charset in quotes', async () => {
    const good = [
      post('/api/auth/login', nested(20)),
      post('/api/auth/login', gzipSync('{"a":1}'), { 'Content-Encoding': 'gzip' }),
      post('/api/auth/login', '{"a":1}', { 'Content-Type': 'Application/JSON; charset="UTF-8"' }),
    ];
    for (const request of good) {
      // Read and understood: refused for its fields only.
      const { body } = await raw(server.port, request);
      expect(body).toMatchObject({
        details: expect.arrayContaining([
          { field: 'a', rule: 'unknownField', message: 'This field is not known here.' },
        ]) as unknown,
      });
    }
  });

  it('F4: lists every fault with its field, and no value', async () => {
    const response = await server.api.register({
      organization_id: '!',
      email: CANARY,
      password: 'short7f3',
      first_name: { nested: CANARY },
      role: 'superadmin',
      is_admin: true,
    });
    expect(response.status).toBe(400);
    expectError(response.body, 'VALIDATION_FAILED');
    const { details } = response.body as { details: { field: string; rule: string }[] };
    expect(details.map(({ field, rule }) => `${field}:${rule}`).sort()).toEqual([
      'email:isEmail',
      'first_name:isText',
      'is_admin:unknownField',
      'organization_id:matches',
      'role:isIn',
    ]);
    expect(response.text).not.toContain(CANARY);
  });

  it('answers what nobody foresaw with 500, tells nothing of it, and logs all of it', async () => {
    const users = server.app.get(UsersService);
    const spy = jest
      .spyOn(users, 'list')
      .mockRejectedValue(new Error('inside', { cause: new Error('SELECT secret FROM keyspace') }));
    const response = await server.api.get('/api/v1/users', admin.token);
    spy.mockRestore();
    expect(response.status).toBe(500);
    expectError(response.body, 'INTERNAL_ERROR');
    const id = response.headers['x-request-id'];
    const line = server.logs().find((entry) => entry.request_id === id && entry.err !== undefined);
    expect(line).toMatchObject({
      level: 'error',
      organization_id: admin.organizationId,
      user_id: admin.id,
      err: {
        message: 'inside',
        stack: expect.stringContaining('Error: inside') as string,
        cause: { message: 'SELECT secret FROM keyspace' },
      },
    });
  });

  it('answers a framework fault in the envelope, too', async () => {
    const health = server.app.get(HealthCheckService, { strict: false });
    const spy = jest.spyOn(health, 'check').mockRejectedValue('not even an error');
    const response = await server.api.get('/health');
    spy.mockRestore();
    expect(response.status).toBe(500);
    expectError(response.body, 'INTERNAL_ERROR');
  });

  it("keeps the caller's request id if it is well formed", async () => {
    const kept = await raw(server.port, get('/health', 'X-Request-Id: my_own-id\r\n'));
    expect(kept.headers).toMatch(/^x-request-id: my_own-id$/im);
    for (const id of ['x'.repeat(65), 'a b', '\u001b[31m', 'a;b']) {
      const replaced = await raw(server.port, get('/health', `X-Request-Id: ${id}\r\n`));
      expect(replaced.headers).toMatch(/^x-request-id: [0-9a-f-]{36}$/im);
    }
  });

  it('H4: sends the headers of an API', async () => {
    const { headers } = await server.api.get('/api/v1/ping');
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
    });
    expect(headers).not.toHaveProperty('etag');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});
