import { DiscoveryService, Reflector } from '@nestjs/core';
import { type OpenAPIObject } from '@nestjs/swagger';
import { v7 as timeOrderedId } from 'uuid';
import { type Access, ACCESS_KEY } from '../../src/common/principal';
import { JobsService } from '../../src/jobs/jobs.service';
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

/** For each kind of record one to be created. */
const RECORDS: Record<string, object> = {
  companies: { name: 'Acme' },
  contacts: { last_name: 'Jones' },
  deals: { name: '100 anvils' },
  activities: { kind: 'note', subject: 'Called' },
};
const isExternal = (path: string) => path.includes('/external/');

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
      // The routes of records are inherited.
      const inherited = Object.getPrototypeOf(prototype) as object;
      const methods = [prototype, inherited].flatMap((one) => Object.getOwnPropertyNames(one));
      for (const method of methods.filter((one) => !(one in Object.prototype))) {
        const handler = prototype[method];
        const isRoute = typeof handler === 'function' && Reflect.hasMetadata('path', handler);
        if (
          method !== 'constructor' &&
          isRoute &&
          reflector.get<Access | undefined>(ACCESS_KEY, handler) === undefined
        ) {
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
    const { id: userId, organizationId } = foreign;
    const job = await server.app
      .get(JobsService)
      .create(
        { organizationId, userId, role: 'admin' },
        { id: timeOrderedId(), kind: 'import', input: null, total: null },
      );
    const ids: Record<string, string | undefined> = {
      '/api/v1/users/': foreign.id,
      '/api/v1/invitations/': first(idOf(invited)),
      '/api/v1/api-keys/': first(idOf(made)),
      '/api/auth/sessions/': first(idOf(sessions)),
      '/api/v1/fields/': first(idOf(added)),
      '/api/v1/jobs/': job.id,
      '/api/v1/imports/': job.id,
    };
    for (const [object, record] of Object.entries(RECORDS)) {
      const created = await server.api.post(`/api/v1/${object}`, record, foreign.token);
      ids[`/api/v1/${object}/`] = first(idOf(created));
    }
    // The deal has made one.
    ids['/api/v1/pipelines/'] = first(
      idOf(await server.api.get('/api/v1/pipelines', foreign.token)),
    );
    const hook = { url: 'https://hooks.example.com/crm' };
    ids['/api/v1/webhooks/'] = first(
      idOf(await server.api.post('/api/v1/webhooks', hook, foreign.token)),
    );
    // A key of another system is nobody's until somebody puts a record there: see below.
    const byId = operations.filter(({ path }) => /\{(id|key)\}/.test(path) && !isExternal(path));
    expect(byId.length).toBeGreaterThan(0);
    for (const { name, method, path } of byId) {
      const bodies: Record<string, object> = {
        merge: { loser_ids: [UNKNOWN_ID.replace(/.$/, '2')] },
        erase: { confirm: UNKNOWN_ID },
      };
      const write = bodies[path.split('/').at(-1) ?? ''] ?? {};
      const body = method === 'get' || method === 'delete' ? undefined : write;
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
        '/api/v1/jobs',
        // An import is a job.
        '/api/v1/jobs',
        ...[...Object.keys(RECORDS), 'pipelines', 'webhooks'].map((object) => `/api/v1/${object}`),
      ].map((path) => server.api.get(path, foreign.token)),
    );
    expect(left.map((response) => first(idOf(response)))).toEqual(Object.values(ids));
    expect(left[1]?.body).toMatchObject({ data: [{ status: 'pending' }] });
    for (const { body } of left.slice(7, -1)) {
      expect(body).toMatchObject({ data: [{ version: 1 }] });
    }
  });

  it('D2: gives a deleted record of another organization back to nobody else', async () => {
    const [admin, foreign] = await Promise.all([server.api.newAdmin(), server.api.newAdmin()]);
    for (const [object, record] of Object.entries(RECORDS)) {
      const path = `/api/v1/${object}`;
      const created = await server.api.post(path, record, foreign.token);
      const url = `${path}/${(created.body as { data: { id: string } }).data.id}`;
      await server.api.delete(url, foreign.token);
      const theirs = await server.api.post(`${url}/restore`, undefined, admin.token);
      expect([object, theirs.status]).toEqual([object, 404]);
      const own = await server.api.post(`${url}/restore`, undefined, foreign.token);
      expect([object, own.status]).toEqual([object, 200]);
    }
  });

  it('D2: has keys of other systems for each organization', async () => {
    const [admin, foreign] = await Promise.all([server.api.newAdmin(), server.api.newAdmin()]);
    const external = operations.filter(({ path }) => isExternal(path));
    expect(external.length).toBeGreaterThanOrEqual(Object.keys(RECORDS).length);
    for (const { name, method, path } of external) {
      const object = path.split('/')[3] ?? '';
      const record = RECORDS[object] ?? {};
      const url = fillPath(path, { key: '4711' });
      const theirs = await server.api.call(method, url, record, foreign.token);
      const own = await server.api.call(method, url, record, admin.token);
      expect([name, theirs.status, own.status]).toEqual([name, 201, 201]);
      const [one, other] = [theirs, own].map(({ body }) => (body as { data: { id: string } }).data);
      expect(one?.id).not.toBe(other?.id);
      const left = await server.api.get(`/api/v1/${object}/${one?.id ?? ''}`, foreign.token);
      expect(left.body).toMatchObject({ data: one });
    }
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
      properties?: Record<string, Property>;
      items?: Property;
    }
    const schemas = (document.components?.schemas ?? {}) as Record<string, Property>;
    const isShown = (property: Property): boolean => {
      const { $ref, allOf, properties, items } = property;
      // Null is an example, too: of a reference there is none that would work.
      if ('example' in property || (property.enum ?? $ref ?? allOf) !== undefined) return true;
      if (items) return isShown(items);
      return properties !== undefined && Object.values(properties).every(isShown);
    };
    for (const [schema, property] of Object.entries(schemas)) {
      // A whole example is better than one of each field: all of it is sent along by Swagger UI.
      if (schema === 'Error' || 'example' in property) continue;
      for (const [field, one] of Object.entries(property.properties ?? {})) {
        // No invitation of an example's token exists.
        const shown = field === 'invitation_token' || isShown(one);
        expect([schema, field, shown]).toEqual([schema, field, true]);
      }
    }
  });
});
