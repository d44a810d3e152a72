import { DiscoveryService, Reflector } from '@nestjs/core';
import { type OpenAPIObject } from '@nestjs/swagger';
import { type Access, ACCESS_KEY } from '../../src/common/principal';
import { createDocument } from '../../src/openapi';
import type { Method } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';
import { fillPath, UNKNOWN_ID } from '../support/paths';

/** The routes that anybody may call. A new one has to be entered here, on purpose. */
const PUBLIC = [
  'GET /api/v1/ping',
  'GET /health',
  'GET /health/live',
  'GET /health/ready',
  'GET /health/startup',
  'POST /api/auth/login',
  'POST /api/auth/password/forgot',
  'POST /api/auth/password/reset',
  'POST /api/auth/refresh',
];
/** Routes where a token is welcome and not needed. */
const OPTIONAL = ['POST /api/auth/register'];

interface Media {
  schema?: unknown;
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}
interface Operation {
  operationId?: string;
  summary?: string;
  security?: object[];
  parameters?: {
    name: string;
    in: string;
    example?: unknown;
    schema?: { example?: unknown; default?: unknown };
  }[];
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}

describe('Every route', () => {
  let server: TestApp;
  let document: OpenAPIObject;
  let operations: { name: string; method: Method; path: string; operation: Operation }[];

  beforeAll(async () => {
    server = await startApp();
    document = createDocument(server.app);
    operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method: method as Method,
        path,
        operation: operation as Operation,
      })),
    );
  });
  afterAll(() => server.close());

  it('says who may call it', () => {
    const reflector = new Reflector();
    const silent: string[] = [];
    for (const { metatype } of server.app.get(DiscoveryService).getControllers()) {
      const { prototype, name } = metatype as { prototype: Record<string, object>; name: string };
      for (const method of Object.getOwnPropertyNames(prototype)) {
        const handler = prototype[method];
        const isRoute = typeof handler === 'function' && method !== 'constructor';
        if (isRoute && reflector.get<Access | undefined>(ACCESS_KEY, handler) === undefined) {
          silent.push(`${name}.${method}`);
        }
      }
    }
    expect(silent).toEqual([]);
  });

  it('E1: is open only where the list says so', async () => {
    const open: string[] = [];
    const optional: string[] = [];
    for (const { name, method, path } of operations) {
      const url = fillPath(path);
      const body = method === 'get' || method === 'delete' ? undefined : {};
      const none = await server.api.call(method, url, body);
      const bad = await server.api.call(method, url, body, 'bad');
      if (none.status === 401) {
        expectError(none.body, 'UNAUTHENTICATED');
      } else if (bad.status === 401 && path !== '/api/auth/refresh') {
        optional.push(name);
      } else {
        open.push(name);
      }
    }
    expect(open.sort()).toEqual(PUBLIC);
    expect(optional).toEqual(OPTIONAL);
  });

  it('D2: answers an id of another organization exactly as an unknown one: 404', async () => {
    const [admin, foreign] = await Promise.all([server.api.newAdmin(), server.api.newAdmin()]);
    // For each kind of id in a path one that exists, in the other organization.
    interface Made {
      id?: string;
      key?: string;
    }
    const idOf = (response: { body: unknown }) => (response.body as { data: Made | Made[] }).data;
    const first = (data: Made | Made[]) => {
      const one = Array.isArray(data) ? data[0] : data;
      return one?.id ?? one?.key;
    };
    const email = `${UNKNOWN_ID}@example.com`;
    const invited = await server.api.post('/api/v1/invitations', { email }, foreign.token);
    const key = { name: 'x', role: 'viewer' };
    const made = await server.api.post('/api/v1/api-keys', key, foreign.token);
    const sessions = await server.api.get('/api/auth/sessions', foreign.token);
    const field = { key: 'tier', label: 'Tier', kind: 'text' };
    const added = await server.api.post('/api/v1/fields/contacts', field, foreign.token);
    const ids: Record<string, string | undefined> = {
      '/api/v1/users/': foreign.id,
      '/api/v1/invitations/': first(idOf(invited)),
      '/api/v1/api-keys/': first(idOf(made)),
      '/api/auth/sessions/': first(idOf(sessions)),
      '/api/v1/fields/': first(idOf(added)),
    };
    const byId = operations.filter(({ path }) => /\{(id|key)\}/.test(path));
    expect(byId.length).toBeGreaterThan(0);
    for (const { name, method, path } of byId) {
      const body = method === 'get' || method === 'delete' ? undefined : {};
      const [, id] = Object.entries(ids).find(([prefix]) => path.startsWith(prefix)) ?? [];
      // A new kind of id needs a line above.
      expect([name, id]).toEqual([name, expect.stringMatching(/^([0-9a-f-]{36}|tier)$/)]);
      const ask = (url: string) => server.api.call(method, url, body, admin.token);
      const theirs = await ask(fillPath(path, { id, key: id }));
      const nobodys = await ask(fillPath(path));
      expect([name, theirs.status, theirs.body]).toEqual([name, 404, nobodys.body]);
    }
    // And nothing has happened to any of it.
    const left = await Promise.all(
      [
        '/api/v1/users',
        '/api/v1/invitations',
        '/api/v1/api-keys',
        '/api/auth/sessions',
        '/api/v1/fields/contacts',
      ].map((path) => server.api.get(path, foreign.token)),
    );
    expect(left.map((response) => first(idOf(response)))).toEqual(Object.values(ids));
    expect(left[1]?.body).toMatchObject({ data: [{ status: 'pending' }] });
  });

  it('is documented: summary, operation id, examples and error answers', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, operation } of operations) {
      expect([name, operation.summary]).toEqual([name, expect.stringMatching(/^[A-Z].{5,}/)]);
      expect([name, operation.operationId]).toEqual([
        name,
        expect.stringMatching(/^[a-z][A-Za-z]+_\w+$/),
      ]);
      for (const parameter of operation.parameters ?? []) {
        // What may be left out is better left out: Swagger UI sends an example along.
        if (parameter.in === 'query') continue;
        const { example, schema } = parameter;
        expect([name, parameter.name, example ?? schema?.example ?? schema?.default]).not.toContain(
          undefined,
        );
      }
      const errors = Object.entries(operation.responses).filter(
        ([status]) => Number(status) >= 400,
      );
      expect(errors.map(([status]) => status)).toEqual(
        expect.arrayContaining(['406', '500', '503']),
      );
      if (operation.requestBody) {
        expect(errors.map(([status]) => status)).toEqual(
          expect.arrayContaining(['400', '413', '415']),
        );
      }
      if (operation.security) {
        expect(errors.map(([status]) => status)).toContain('401');
      }
      for (const [status, { content }] of errors) {
        const media = content?.['application/json'];
        expect([name, status, media?.schema]).toEqual([
          name,
          status,
          { $ref: '#/components/schemas/Error' },
        ]);
        for (const { value } of Object.values(media?.examples ?? {})) {
          expect(value).toMatchObject({ success: false });
        }
        expect(Object.keys(media?.examples ?? {})).not.toHaveLength(0);
      }
    }
  });

  it('has an example for every field of its body and of its answer', () => {
    interface Property {
      example?: unknown;
      enum?: unknown[];
      $ref?: string;
      allOf?: unknown[];
    }
    const schemas = (document.components?.schemas ?? {}) as Record<
      string,
      { properties?: Record<string, Property>; example?: unknown }
    >;
    for (const [schema, { properties, example }] of Object.entries(schemas)) {
      // Schemas of records have one for the whole.
      if (schema === 'Error' || example !== undefined) continue;
      for (const [field, property] of Object.entries(properties ?? {})) {
        // An example would be sent along by Swagger UI, and no invitation of that token exists.
        if (field === 'invitation_token') continue;
        const shown = property.example ?? property.enum ?? property.$ref ?? property.allOf;
        expect([schema, field, shown]).not.toContain(undefined);
      }
    }
  });
});
