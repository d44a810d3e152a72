import { randomUUID } from 'node:crypto';
import { Controller, Get } from '@nestjs/common';
import { CassandraService } from '../../src/cassandra/cassandra.service';
import { allQueries, defineQuery } from '../../src/cassandra/define-query';
import { Endpoint } from '../../src/common/endpoint';
import { startApp, type TestApp } from '../support/app';
import { databaseVariables } from '../support/config';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

const many = defineQuery('test.many', "SELECT key FROM system.local WHERE key = 'local'");

@Controller('api/v1/many')
class ManyController {
  constructor(private readonly cassandra: CassandraService) {}

  @Get()
  @Endpoint({ access: 'public', summary: 'Probe' })
  async run(): Promise<null> {
    for (let round = 0; round < 120; round++) await this.cassandra.run(many, {});
    return null;
  }
}

interface SlowLine {
  level: string;
  route: string;
  status: number;
  duration_ms: number;
  request_id: string;
  statement_count: number;
  statements: { name: string; at_ms: number; ms: number | null }[];
}

describe('A slow request', () => {
  let proxy: TcpProxy;
  let server: TestApp;
  const slowLines = () =>
    server.logs().filter(({ msg }) => msg === 'slow request') as unknown as SlowLine[];
  const start = async (environment: Record<string, string>) => {
    server = await startApp(
      {
        CASSANDRA_CONTACT_POINTS: '127.0.0.1',
        CASSANDRA_PORT: String(proxy.port),
        ...environment,
      },
      [ManyController],
    );
  };
  beforeAll(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
  });
  afterEach(async () => {
    proxy.delayAnswers(0);
    await server.close();
  });
  afterAll(() => proxy.close());

  it('tells once which statements it has sent and what they took, without values', async () => {
    await start({ SLOW_REQUEST_MS: '500' });
    const admin = await server.api.newAdmin();
    const id = randomUUID();
    const known = slowLines().length;
    proxy.delayAnswers(550);
    const response = await server.api.get(`/api/v1/contacts/${id}`, admin.token);
    proxy.delayAnswers(0);
    expect(response.status).toBe(404);
    await server.api.get('/api/v1/ping');

    const lines = slowLines().slice(known);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 'warn',
      route: '/api/v1/contacts/:id',
      status: 404,
      request_id: response.headers['x-request-id'],
      organization_id: admin.organizationId,
    });
    const [line] = lines as [SlowLine];
    expect(line.statements).toHaveLength(line.statement_count);
    const names = allQueries().map(({ name }) => name);
    for (const { name, ms, ...rest } of line.statements) {
      expect(names).toContain(name);
      expect(Object.keys(rest)).toEqual(['at_ms']);
      expect(ms).toBeGreaterThan(500);
    }
    expect(line.statements.map(({ name }) => name)).toContain('records.find');
    const statements = JSON.stringify(line.statements);
    for (const value of [id, admin.id, admin.organizationId]) {
      expect(statements).not.toContain(value);
    }
  });

  it('tells of the statement that had no answer when its time was over', async () => {
    await start({ SLOW_REQUEST_MS: '500', REQUEST_TIMEOUT: '1' });
    proxy.delayAnswers(1500);
    expect((await server.api.get('/health/ready')).status).toBe(503);
    const [line] = slowLines();
    expect(line?.statements).toEqual([
      { name: 'system.ping', at_ms: expect.any(Number) as number, ms: null },
    ]);
  });

  it('keeps the slowest of many', async () => {
    await start({ SLOW_REQUEST_MS: '1' });
    expect((await server.api.get('/api/v1/many')).status).toBe(200);
    const line = slowLines().find(({ route }) => route === '/api/v1/many');
    expect(line).toMatchObject({ statement_count: 120 });
    expect(line?.statements).toHaveLength(50);
    const times = line?.statements.map(({ at_ms }) => at_ms) ?? [];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });
});
