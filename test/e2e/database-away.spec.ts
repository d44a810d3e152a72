import { setTimeout as sleep } from 'node:timers/promises';
import { newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { databaseVariables } from '../support/config';
import { expectError } from '../support/envelope';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

describe('While the database is away', () => {
  let proxy: TcpProxy;
  let server: TestApp;
  beforeAll(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    server = await startApp({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
      REQUEST_TIMEOUT: '4',
    });
  });
  afterAll(async () => {
    await server.close();
    await proxy.close();
  });

  it('G6, H2: answers 503 on every route that needs it, stays alive, and recovers by itself', async () => {
    const admin = await server.api.newAdmin();
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    proxy.cut();

    const refused = await Promise.all([
      server.api.get('/health'),
      server.api.get('/health/ready'),
      server.api.get('/api/v1/users/me', admin.token),
      server.api.get('/api/v1/users', admin.token),
      server.api.get('/api/v1/organization', admin.token),
      server.api.login(account),
      server.api.register(account),
      server.api.post('/api/auth/refresh', { refresh_token: admin.refreshToken }),
    ]);
    for (const response of refused) {
      expect(response.status).toBe(503);
      expectError(response.body, 'SERVICE_UNAVAILABLE');
      expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
      const id = response.headers['x-request-id'];
      const line = server
        .logs()
        .find((entry) => entry.request_id === id && entry.err !== undefined);
      expect(JSON.stringify(line)).toMatch(/Query [\w.]+ failed|took too long/);
    }
    for (const path of ['/health/live', '/health/startup', '/api/v1/ping']) {
      expect((await server.api.get(path)).status).toBe(200);
    }

    proxy.restore();
    let status = 0;
    for (let attempt = 0; attempt < 60 && status !== 200; attempt++) {
      await sleep(500);
      ({ status } = await server.api.get('/health/ready'));
    }
    expect(status).toBe(200);
    expect((await server.api.get('/api/v1/users/me', admin.token)).status).toBe(200);
    // What was refused has left nothing behind that would be in the way.
    expect((await server.api.register(account)).status).toBe(201);
  });
});
