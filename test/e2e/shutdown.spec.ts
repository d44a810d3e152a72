import { setTimeout as sleep } from 'node:timers/promises';
import { Api, newEmail, newOrganizationId, newPassword } from '../support/api';
import { databaseVariables } from '../support/config';
import { startServer } from '../support/process';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

describe('On SIGTERM', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
  });
  afterEach(() => proxy.close());

  const start = (environment: Record<string, string>) =>
    startServer({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
      ...environment,
    });

  it('readiness fails first, the request in flight finishes, then the process ends in order', async () => {
    const server = await start({ SHUTDOWN_DELAY: '3' });
    const api = new Api(server.url);
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    expect((await api.get('/health/ready')).status).toBe(200);

    // A registration has four statements at least, so that it takes two seconds on any machine.
    proxy.delayAnswers(500);
    let answered = false;
    const slow = api.register(account).then((response) => {
      answered = true;
      return response;
    });
    await sleep(200);
    server.child.kill('SIGTERM');
    await server.until(/shutting down/);

    const ready = await api.get('/health/ready');
    const live = await api.get('/health/live');
    expect([ready.status, live.status]).toEqual([503, 200]);
    expect(answered).toBe(false);

    const response = await slow;
    expect(response.status).toBe(201);
    expect(await server.ended).toBe(0);
    await expect(api.get('/health/live')).rejects.toThrow(/ECONNREFUSED/);
    expect(server.output()).not.toMatch(/"level":"(error|warn|fatal)".*(?<!request)"}$/);
  });

  it('cuts off what does not finish in time', async () => {
    const server = await start({ SHUTDOWN_TIMEOUT: '1' });
    proxy.delayAnswers(1500);
    const slow = new Api(server.url).register({
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    });
    const refused = expect(slow).rejects.toThrow(/socket hang up|ECONNRESET/);
    await sleep(200);
    server.child.kill('SIGTERM');
    await refused;
    expect(await server.ended).toBe(0);
    expect(server.output()).toContain('cut off');
  });
});
