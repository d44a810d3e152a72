import { setTimeout as sleep } from 'node:timers/promises';
import { Api, newEmail, newOrganizationId, newPassword } from '../support/api';
import { databaseVariables } from '../support/config';
import { expectError } from '../support/envelope';
import { startServer } from '../support/process';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

// In a process of its own: after a reconnection the driver keeps connections that its shutdown does
// not close, and with them the process that holds it.
describe('While the database is away', () => {
  let proxy: TcpProxy;
  let server: Awaited<ReturnType<typeof startServer>>;
  let api: Api;
  beforeAll(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    server = await startServer({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
      REQUEST_TIMEOUT: '4',
    });
    api = new Api(server.url);
  });
  afterAll(async () => {
    server.child.kill('SIGTERM');
    await server.ended;
    await proxy.close();
  });

  it('G6, H2: answers 503 on every route that needs it, stays alive, and recovers by itself', async () => {
    const admin = await api.newAdmin();
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    proxy.cut();

    const refused = await Promise.all([
      api.get('/health'),
      api.get('/health/ready'),
      api.get('/api/v1/users/me', admin.token),
      api.get('/api/v1/users', admin.token),
      api.get('/api/v1/organization', admin.token),
      api.login(account),
      api.register(account),
      api.post('/api/auth/refresh', { refresh_token: admin.refreshToken }),
    ]);
    for (const response of refused) {
      expect(response.status).toBe(503);
      expectError(response.body, 'SERVICE_UNAVAILABLE');
      expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
      const id = String(response.headers['x-request-id']);
      await server.until(
        new RegExp(
          `^{(?=.*"request_id":"${id}").*"err":.*(Query [\\w.]+ failed|took too long)`,
          'm',
        ),
      );
    }
    for (const path of ['/health/live', '/health/startup', '/api/v1/ping']) {
      expect((await api.get(path)).status).toBe(200);
    }

    proxy.restore();
    let status = 0;
    for (let attempt = 0; attempt < 60 && status !== 200; attempt++) {
      await sleep(500);
      ({ status } = await api.get('/health/ready'));
    }
    expect(status).toBe(200);
    expect((await api.get('/api/v1/users/me', admin.token)).status).toBe(200);
    // What was refused has left nothing behind that would be in the way.
    expect((await api.register(account)).status).toBe(201);
  });
});
