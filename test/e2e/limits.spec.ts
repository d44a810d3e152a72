import supertest from 'supertest';
import { newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp, type TestApp } from '../support/app';
import { expectError } from '../support/envelope';

describe('Limits around the routes', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp({
      REQUEST_TIMEOUT: '1',
      BCRYPT_COST: '14',
      CORS_ORIGINS: 'https://good.test, https://other.test',
    });
  });
  afterAll(() => server.close());

  it('gives a request one deadline for all it does, and writes nothing after it', async () => {
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    // Hashing at this cost takes the whole second and more.
    const late = await server.api.register(account);
    expect(late.status).toBe(503);
    expectError(late.body, 'SERVICE_UNAVAILABLE');
    expect(late.body).toMatchObject({ message: 'The request took too long.' });

    const patient = await startApp();
    const again = await patient.api.register(account);
    await patient.close();
    expect(again.status).toBe(201);
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
