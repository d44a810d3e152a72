import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import supertest from 'supertest';
import { startApp } from '../support/app';
import { startServer } from '../support/process';

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: number };
}

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
}

interface Export {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: Span[] }[];
  }[];
}

const valuesOf = (attributes: Attribute[]) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]),
  );

describe('Traces', () => {
  let receiver: Server;
  let endpoint: string;
  let exported: { path: string; type: string; body: string }[];
  beforeAll(async () => {
    receiver = createServer((request, response) => {
      void text(request).then((body) => {
        exported.push({
          path: request.url ?? '',
          type: request.headers['content-type'] ?? '',
          body,
        });
        response.setHeader('Content-Type', 'application/json').end('{}');
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    endpoint = `http://127.0.0.1:${String((receiver.address() as AddressInfo).port)}`;
  });
  beforeEach(() => {
    exported = [];
  });
  afterAll(() => new Promise((resolve) => receiver.close(resolve)));

  const spans = () =>
    exported.flatMap(({ body }) =>
      (JSON.parse(body) as Export).resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap((scope) => scope.spans),
      ),
    );

  it('lead from the request of a caller to its statements, without values', async () => {
    const server = await startApp({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_SERVICE_NAME: 'crm-under-test',
    });
    const admin = await server.api.newAdmin();
    const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    const id = randomUUID();
    const response = await supertest(server.url)
      .get(`/api/v1/contacts/${id}?x=1`)
      .set('Authorization', `Bearer ${admin.token}`)
      .set('traceparent', `00-${traceId}-${spanId}-01`);
    expect(response.status).toBe(404);
    const unsampled = randomBytes(16).toString('hex');
    await supertest(server.url)
      .get('/health/ready')
      .set('traceparent', `00-${unsampled}-${spanId}-00`);
    // What has not been sent yet is sent then.
    await server.close();

    for (const { path, type, body } of exported) {
      expect([path, type]).toEqual(['/v1/traces', 'application/json']);
      for (const { resource } of (JSON.parse(body) as Export).resourceSpans) {
        expect(valuesOf(resource.attributes)).toMatchObject({ 'service.name': 'crm-under-test' });
      }
    }
    const own = spans().filter((span) => span.traceId === traceId);
    const [request, ...others] = own.filter(({ kind }) => kind === 2);
    if (!request) throw new Error('There is no span of the request');
    expect(others).toEqual([]);
    expect(request).toMatchObject({ name: 'GET /api/v1/contacts/:id', parentSpanId: spanId });
    expect(valuesOf(request.attributes)).toEqual({
      'http.request.method': 'GET',
      'http.route': '/api/v1/contacts/:id',
      'http.response.status_code': 404,
      'crm.request_id': response.headers['x-request-id'],
    });
    const statements = own.filter(({ kind }) => kind === 3);
    expect(statements.map(({ name }) => name)).toContain('records.find');
    for (const statement of statements) {
      expect(statement.parentSpanId).toBe(request.spanId);
      expect(valuesOf(statement.attributes)).toEqual({
        'db.system': 'cassandra',
        'db.system.name': 'cassandra',
        'db.query.summary': statement.name,
        'crm.statement_kind': 'single',
      });
      expect(BigInt(statement.endTimeUnixNano)).toBeLessThanOrEqual(
        BigInt(request.endTimeUnixNano),
      );
    }
    const everything = exported.map(({ body }) => body).join('\n');
    for (const value of [id, admin.id, admin.organizationId, admin.email, admin.token, 'SELECT']) {
      expect(everything).not.toContain(value);
    }
    expect(everything).not.toContain(unsampled);
    // A request of a caller who does not trace begins a trace of its own.
    expect(spans().some(({ name, parentSpanId }) => /register/.test(name) && !parentSpanId)).toBe(
      true,
    );
  });

  it('slow nothing where their receiver is away', async () => {
    const server = await startApp({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    const startedAt = Date.now();
    expect((await server.api.get('/health/ready')).status).toBe(200);
    expect(Date.now() - startedAt).toBeLessThan(2000);
    await server.close();
  });

  it('cost a start without them nothing: their packages are not loaded', async () => {
    const loaded = async (environment: Record<string, string>) => {
      const server = await startServer({
        NODE_OPTIONS: '--require ./test/support/loaded-modules.cjs',
        ...environment,
      });
      server.child.kill('SIGTERM');
      expect(await server.ended).toBe(0);
      return server.output().match(/@opentelemetry\/sdk-trace/g)?.length ?? 0;
    };
    expect(await loaded({})).toBe(0);
    expect(await loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })).toBeGreaterThan(0);
  });
});
