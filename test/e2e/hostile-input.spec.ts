import { connect } from 'node:net';
import type { OpenAPIObject } from '@nestjs/swagger';
import { type Account, Api, type Method, newOrganizationId } from '../support/api';
import { expectError } from '../support/envelope';
import { fillPath } from '../support/paths';
import { startServer } from '../support/process';

/** What has broken parsers, databases, logs and regular expressions before. */
const STRINGS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  'a\u200bb',
  '\u202etxt.exe',
  '\u001b[31m',
  'a\r\nSet-Cookie: x=1',
  "'; DROP TABLE users; --",
  '" OR ""="',
  '${jndi:ldap://127.0.0.1/x}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '=cmd|calc!A0',
  '../../etc/passwd',
  '%00',
  '\ufeff',
  'ﷺ'.repeat(100),
  'a'.repeat(50_000),
  'a.'.repeat(25_000),
  ' '.repeat(50_000),
  `${'a'.repeat(25_000)}@${'b.'.repeat(12_000)}`,
  '\u0390'.repeat(10_000),
];
/** In the place of a string, or of anything else. */
const OTHERS = [null, true, false, 0, -0, 1e308, -1, 1.5, [], ['x'], {}, { a: 1 }, [[[]]]];
/** Each in JSON as it is: not every one survives a trip through JSON.stringify. */
const RAW = [
  '9007199254740993',
  '1e400',
  '-1e400',
  '{"__proto__":{"role":"admin"}}',
  '{"constructor":{"prototype":1}}',
  '{"$ne":null}',
];

interface DocumentBody extends OpenAPIObject {
  components: {
    schemas: Record<
      string,
      { properties: Record<string, { example?: unknown; default?: unknown }> }
    >;
  };
}

describe('Hostile input (F1 to F11, H6)', () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let api: Api;
  let admin: Account;
  let document: DocumentBody;
  beforeAll(async () => {
    server = await startServer();
    api = new Api(server.url);
    admin = await api.newAdmin();
    document = (await api.get('/api/docs-json')).body as DocumentBody;
  });
  afterAll(async () => {
    // The same process has answered all of it.
    expect(server.child.exitCode).toBeNull();
    const { status } = await api.get('/health');
    expect(status).toBe(200);
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
  });

  async function send(
    method: string,
    path: string,
    json: string,
  ): Promise<{ status: number; text: string }> {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${admin.token}` },
      body: json,
    });
    return { status: response.status, text: await response.text() };
  }

  /** Operations with a body, each with a body that is good but for the ids in it. */
  function bodies() {
    return Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(
        item as Record<
          string,
          { requestBody?: { content: Record<string, { schema: { $ref: string } }> } }
        >,
      ).flatMap(([method, { requestBody }]) => {
        const ref = requestBody?.content['application/json']?.schema.$ref.split('/').pop();
        const properties = ref ? document.components.schemas[ref]?.properties : undefined;
        if (!properties) return [];
        const good = Object.fromEntries(
          Object.entries(properties)
            .map(([field, { example, default: preset }]) => [field, example ?? preset])
            .filter(([, value]) => value !== undefined),
        ) as Record<string, unknown>;
        // The caller's password and organization must outlive this test.
        if (path === '/api/auth/password') good.current_password = 'wrong-password-7f3a';
        const url = fillPath(path);
        return [{ method: method.toUpperCase(), url, good, fields: Object.keys(properties) }];
      }),
    );
  }

  it('F5, F6, F9, F10, H3: gets a 4xx in every field of every body, never a 5xx, never an echo, never more rights', async () => {
    const operations = bodies();
    expect(operations.length).toBeGreaterThan(10);
    for (const { method, url, good, fields } of operations) {
      for (const field of fields) {
        const values = [...STRINGS, ...OTHERS].map((value) => JSON.stringify(value)).concat(RAW);
        for (const value of values) {
          const rest = JSON.stringify({ ...good, [field]: undefined }).slice(1, -1);
          const json = `{${rest}${rest === '' ? '' : ','}${JSON.stringify(field)}:${value}}`;
          const { status, text } = await send(method, url, json);
          expect([method, url, field, value.slice(0, 60), status >= 500]).toEqual([
            method,
            url,
            field,
            value.slice(0, 60),
            false,
          ]);
          if (status >= 400)
            expectError(JSON.parse(text), (JSON.parse(text) as { code: 'NOT_FOUND' }).code);
        }
      }
    }
    const me = await api.get('/api/v1/users/me', admin.token);
    expect(me.body).toMatchObject({
      data: { role: 'admin', status: 'active', email: admin.email },
    });
    expect(Object.prototype).not.toHaveProperty('role');
  }, 180_000);

  it('F7: gets a 400 in every parameter of every list', async () => {
    const queries = [
      'limit=1&limit=2',
      'limit=1e9',
      'limit=-1',
      'limit=%00',
      'sort=password_hash',
      'cursor=%ff',
      'cursor[]=x',
      'limit[$gt]=1',
      `cursor=${'A'.repeat(5000)}`,
      '__proto__[a]=1',
    ];
    for (const path of ['/api/v1/users', '/api/v1/audit', '/api/v1/fields/contacts']) {
      for (const query of queries) {
        const { status } = await api.get(`${path}?${query}`, admin.token);
        expect([path, query, status]).toEqual([path, query, 400]);
      }
    }
  });

  it('D7: gets a 400 or 404 in every id of every path, and an id in capitals is the same id', async () => {
    const ids = [
      '1',
      '%00',
      '%ff',
      '..%2f..',
      "'",
      '00000000-0000-0000-0000-000000000000',
      'a'.repeat(5000),
      '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c1g',
    ];
    for (const [path, item] of Object.entries(document.paths).filter(([path]) =>
      path.includes('{id}'),
    )) {
      for (const method of Object.keys(item)) {
        for (const id of ids) {
          const body = method === 'patch' ? {} : undefined;
          const { status } = await api.call(
            method as Method,
            path.replace('{id}', id),
            body,
            admin.token,
          );
          expect([method, path, id.slice(0, 40), [400, 404].includes(status)]).toEqual([
            method,
            path,
            id.slice(0, 40),
            true,
          ]);
        }
      }
    }
    expect((await api.get(`/api/v1/users/${admin.id.toUpperCase()}`, admin.token)).status).toBe(
      200,
    );
  });

  it('E3: takes nothing that is the server’s to say, in any body', async () => {
    const owned = [
      'id',
      'organization_id',
      'created_at',
      'updated_at',
      'created_by',
      'version',
      'role',
      'status',
      'password_hash',
      'session_epoch',
      'is_admin',
    ];
    for (const { method, url, good, fields } of bodies()) {
      for (const field of owned.filter((name) => !fields.includes(name))) {
        const { status, text } = await send(method, url, JSON.stringify({ ...good, [field]: 'x' }));
        expect([method, url, field, status]).toEqual([method, url, field, 400]);
        expect(text).toContain('unknownField');
      }
    }
  });

  it('A12: there is no account that nobody made', async () => {
    const names = ['admin', 'root', 'cassandra', 'test', 'demo'];
    for (const name of names) {
      for (const password of [name, 'admin', 'password', 'cassandra', 'change_me_please']) {
        for (const organization_id of ['admin', 'default', newOrganizationId()]) {
          // Not by the client, which would take these for secrets of the run.
          const json = JSON.stringify({ organization_id, email: `${name}@example.com`, password });
          const { status } = await send('POST', '/api/auth/login', json);
          expect(status).toBe(401);
        }
      }
    }
  });

  it('F8: a client that sends its headers drop by drop is shown the door', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write('GET /health HTTP/1.1\r\nHost: x\r\n'),
      );
      const drip = setInterval(() => socket.write('X-A: b\r\n'), 500);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('error', reject);
      socket.on('close', () => {
        clearInterval(drip);
        resolve(text);
      });
    });
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 408 /);
    expectError(JSON.parse(body), 'REQUEST_TIMEOUT');
  }, 60_000);
});
