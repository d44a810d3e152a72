import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/cassandra/client';
import { countStatuses, newOrganizationId } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { databaseVariables, testConfig } from '../support/config';
import { changes, scrape, valuesOf } from '../support/metrics';
import { freePort } from '../support/process';
import { startProxy } from '../support/tcp-proxy';

const REQUESTS = 'http_request_duration_seconds_count';
const STATEMENTS = 'cassandra_statement_duration_seconds_count';

describe('The figures', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp({ HASH_THREADS: '1', HASH_QUEUE: '1', BCRYPT_COST: '10' });
  });
  afterAll(() => server.close());

  it('count requests by the template of their route, exactly', async () => {
    const admin = await server.api.newAdmin();
    const before = await scrape(server.url);
    for (let round = 0; round < 3; round++) await server.api.get('/api/v1/users/me', admin.token);
    for (let round = 0; round < 2; round++) {
      await server.api.get(`/api/v1/contacts/${randomUUID()}`, admin.token);
    }
    await server.api.get('/api/v1/users/me');
    const after = await scrape(server.url);
    expect(changes(before, after, REQUESTS)).toEqual({
      '{method="GET",route="/api/v1/users/me",status="2xx"}': 3,
      '{method="GET",route="/api/v1/contacts/:id",status="4xx"}': 2,
      '{method="GET",route="/api/v1/users/me",status="4xx"}': 1,
    });
    expect(after.get('http_requests_in_flight')).toBe(0);
  });

  it('have no series more for a path, a method or an organization nobody knows', async () => {
    const admin = await server.api.newAdmin();
    const visit = async () => {
      await server.api.get(`/${randomUUID()}`);
      await server.api.get(`/api/v1/${randomUUID()}/x?y=${randomUUID()}`, admin.token);
      await server.api.post(`/api/v1/contacts/${randomUUID()}`, {}, admin.token);
      await server.api.get(`/api/v1/contacts/${randomUUID()}`, admin.token);
      await fetch(`${server.url}/${randomUUID()}`, { method: 'PROPFIND' });
      await fetch(`${server.url}/${randomUUID()}`, { method: 'MKCOL' });
      await server.api.login({
        organization_id: newOrganizationId(),
        email: 'a@example.com',
        password: 'pw-x-123456',
      });
    };
    await visit();
    const before = await scrape(server.url);
    for (let round = 0; round < 5; round++) await visit();
    const after = await scrape(server.url);
    const ofProcess = /^(nodejs|process)_/;
    const names = (figures: typeof after) =>
      [...figures.keys()].filter((series) => !ofProcess.test(series)).sort();
    expect(names(after)).toEqual(names(before));
    expect(changes(before, after, REQUESTS)).toMatchObject({
      '{method="GET",route="unmatched",status="4xx"}': 10,
      '{method="POST",route="unmatched",status="4xx"}': 5,
      '{method="OTHER",route="unmatched",status="4xx"}': 10,
    });
    expect([...after.keys()].join('\n')).not.toMatch(/org_|[0-9a-f]{8}-[0-9a-f]{4}-/);
  });

  it('count statements by name and attempts by host, exactly', async () => {
    const before = await scrape(server.url);
    for (let round = 0; round < 4; round++) await server.api.get('/health/ready');
    const after = await scrape(server.url);
    expect(changes(before, after, STATEMENTS)).toEqual({
      '{statement="system.ping",kind="single"}': 4,
    });
    const attempts = changes(before, after, 'cassandra_host_request_duration_seconds_count');
    expect(Object.values(attempts)).toEqual([4]);
    expect(Object.keys(attempts)[0]).toMatch(/^{host="[\d.]+:\d+"}$/);
    expect(changes(before, after, 'cassandra_statement_errors_total')).toEqual({});
  });

  it('show the pool of the driver, the event loop and the process', async () => {
    const figures = await scrape(server.url);
    const [connections = 0] = valuesOf(figures, 'cassandra_pool_connections');
    expect(connections).toBeGreaterThan(0);
    expect(valuesOf(figures, 'cassandra_pool_in_flight')).toEqual([0]);
    expect(figures.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(figures.get('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  });

  it('count the passwords that were turned away, and those who were shed for it', async () => {
    const { organizationId, email, password } = await server.api.newAdmin();
    const account = { organization_id: organizationId, email, password };
    const before = await scrape(server.url);
    const answers = await Promise.all(Array.from({ length: 12 }, () => server.api.login(account)));
    const after = await scrape(server.url);
    const { 503: shed = 0, 200: served = 0 } = countStatuses(answers);
    expect(shed + served).toBe(12);
    expect(shed).toBeGreaterThan(0);
    expect(changes(before, after, 'password_hashing_rejected_total')).toEqual({
      '{reason="full"}': shed,
    });
    expect(changes(before, after, 'http_requests_shed_total')).toEqual({
      '{status="503",reason="hashing"}': shed,
    });
    expect(after.get('password_hashing_queue')).toBe(0);
    expect(after.get('password_hashing_active')).toBe(0);
  });
});

describe('The figures of a server', () => {
  it('with limits count who is over them, by reason', async () => {
    const server = await startApp({
      RATE_LIMITS: 'on',
      REQUEST_LIMIT: '3/1m',
      LOGIN_ADDRESS_LIMIT: '1/15m',
    });
    try {
      const before = await scrape(server.url);
      const login = { organization_id: newOrganizationId(), email: 'a@b.test', password: 'x-1234' };
      for (let round = 0; round < 5; round++) await server.api.login(login);
      const after = await scrape(server.url);
      const shed = changes(before, after, 'http_requests_shed_total');
      expect(shed).toEqual({
        '{status="429",reason="attempts"}': expect.any(Number) as number,
        '{status="429",reason="load"}': 2,
      });
    } finally {
      await server.close();
    }
  });

  it('whose database is slow count what was sent again and what failed', async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    const proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    const server = await startApp({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
    });
    try {
      const before = await scrape(server.url);
      // Longer than an attempt may take.
      proxy.delayAnswers(3500);
      expect((await server.api.get('/health/ready')).status).toBe(503);
      proxy.delayAnswers(0);
      const after = await scrape(server.url);
      expect(changes(before, after, 'cassandra_statement_retries_total')).toEqual({
        '{statement="system.ping"}': 1,
      });
      expect(Object.values(changes(before, after, 'cassandra_statement_errors_total'))).toEqual([
        1,
      ]);
      const ofHosts = Object.entries(changes(before, after, 'cassandra_host_errors_total'));
      expect(ofHosts.map(([labels]) => labels)).toEqual([
        expect.stringContaining('error="client_timeout"'),
      ]);
      expect(changes(before, after, 'http_requests_shed_total')).toEqual({
        '{status="503",reason="database"}': 1,
      });
    } finally {
      await server.close();
      await proxy.close();
    }
  });

  it('that works in the background show what each worker does', async () => {
    const server = await startApp({ WORKERS: 'on' });
    try {
      const rounds = async () => {
        const figures = await scrape(server.url);
        return [...figures]
          .filter(([series, value]) => series.startsWith('worker_lease_held{') && value === 1)
          .map(([series]) => figures.get(series.replace('lease_held', 'rounds_total')) ?? 0);
      };
      // A server of another test may hold a lease, and one that was killed keeps it for a minute.
      for (let wait = 0; wait < 160 && !(await rounds()).some((count) => count > 0); wait++) {
        await sleep(500);
      }
      expect(Math.max(...(await rounds()))).toBeGreaterThan(0);
      const figures = await scrape(server.url);
      for (const worker of ['mail', 'erasure', 'sweep-0']) {
        expect(figures.get(`worker_failures_total{worker="${worker}"}`)).toBe(0);
      }
    } finally {
      await server.close();
    }
  }, 120_000);
});

describe('With METRICS_PORT, and in production', () => {
  const production = {
    NODE_ENV: 'production',
    CASSANDRA_USERNAME: 'metrics_test',
    CASSANDRA_PASSWORD: 'a-password-of-its-own',
    SMTP_URL: 'smtp://mail.example.com',
    RATE_LIMITS: 'on',
    BCRYPT_COST: '10',
    SHUTDOWN_DELAY: '0',
  };

  // Production refuses the login that the database of the tests comes with.
  beforeAll(async () => {
    const client = createClient(testConfig().cassandra);
    await client.connect();
    await client.execute(
      `CREATE ROLE IF NOT EXISTS ${production.CASSANDRA_USERNAME}
       WITH PASSWORD = '${production.CASSANDRA_PASSWORD}' AND LOGIN = true AND SUPERUSER = true`,
    );
    await client.shutdown();
  });

  it.each([
    ['its own port', {}],
    ['its own port in production', production],
  ])('the figures are on %s, and not on that of the API', async (_where, environment) => {
    const port = await freePort();
    const server = await startApp({ ...environment, METRICS_PORT: String(port) });
    const own = `http://127.0.0.1:${String(port)}`;
    try {
      const before = await scrape(own);
      for (const path of ['/metrics', '/metrics/', '/metrics?x=1', '//metrics']) {
        expect((await fetch(`${server.url}${path}`)).status).toBe(404);
      }
      expect(changes(before, await scrape(own), REQUESTS)).toEqual({
        '{method="GET",route="unmatched",status="4xx"}': 4,
      });
      for (const path of ['/', '/health', '/api/v1/ping', '/metricsx']) {
        expect((await fetch(`${own}${path}`)).status).toBe(404);
      }
      expect((await fetch(`${own}/metrics`, { method: 'POST' })).status).toBe(404);
    } finally {
      await server.close();
    }
    await expect(fetch(`${own}/metrics`)).rejects.toThrow();
  });

  it('they are nowhere in production without it', async () => {
    const server = await startApp(production);
    try {
      expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
    } finally {
      await server.close();
    }
  });
});
