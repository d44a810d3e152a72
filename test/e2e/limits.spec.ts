import { setTimeout as sleep } from 'node:timers/promises';
import supertest from 'supertest';
import { newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { databaseVariables } from '../support/config';
import { expectError } from '../support/envelope';
import { startProxy, type TcpProxy } from '../support/tcp-proxy';

describe('Limits around the routes', () => {
  let proxy: TcpProxy;
  let server: TestApp;
  beforeAll(async () => {
    const { CASSANDRA_CONTACT_POINTS: host = '', CASSANDRA_PORT: port } = databaseVariables();
    proxy = await startProxy(host.split(',')[0] ?? '', Number(port ?? '9042'));
    server = await startApp({
      CASSANDRA_CONTACT_POINTS: '127.0.0.1',
      CASSANDRA_PORT: String(proxy.port),
      REQUEST_TIMEOUT: '1',
      CORS_ORIGINS: 'https://good.test, https://other.test',
    });
  });
  afterAll(async () => {
    await server.close();
    await proxy.close();
  });

  it('gives a request one deadline for all it does, and writes nothing after it', async () => {
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    // No statement takes the second, and a registration has four of them at least.
    proxy.delayAnswers(700);
    const late = await server.api.register(account);
    expect(late.status).toBe(503);
    expectError(late.body, 'SERVICE_UNAVAILABLE');
    expect(late.body).toMatchObject({ message: 'The request took too long.' });

    // Time enough for the rest of them, had they been sent.
    await sleep(4000);
    proxy.delayAnswers(0);
    const patient = await startApp({ CLAIM_LEASE: '1' });
    expect((await patient.api.login(account)).status).toBe(401);
    expect((await patient.api.register(account)).status).toBe(201);
    await patient.close();
  });

  it('H5: answers browsers of the listed origins, and no others', async () => {
    const ask = (origin: string) => supertest(server.url).get('/api/v1/ping').set('Origin', origin);
    const good = await ask('https://good.test');
    expect(good.headers['access-control-allow-origin']).toBe('https://good.test');
    expect(good.headers).not.toHaveProperty('access-control-allow-credentials');
    for (const origin of [
      'https://evil.test',
      'https://good.test.evil.test',
      'http://good.test',
      'https://good.test:8443',
      'null',
    ]) {
      const { headers } = await ask(origin);
      expect([origin, headers['access-control-allow-origin']]).toEqual([origin, undefined]);
    }
  });
});
