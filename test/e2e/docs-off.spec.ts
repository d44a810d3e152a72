import { Api } from '../support/api';
import { expectError } from '../support/envelope';
import { startServer } from '../support/process';

describe('With DOCS=off', () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let api: Api;
  beforeAll(async () => {
    server = await startServer({ DOCS: 'off', CORS_ORIGINS: 'https://good.test' });
    api = new Api(server.url);
  });
  afterAll(async () => {
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
  });

  it('there is no documentation to find', async () => {
    for (const path of ['/api/docs', '/api/docs-json', '/api/docs/swagger-ui-init.js']) {
      const response = await api.get(path);
      expect(response.status).toBe(404);
      expectError(response.body, 'NOT_FOUND');
    }
  });

  it('all else is as with it', async () => {
    const { token } = await api.newAdmin();
    expect((await api.get('/health/ready')).status).toBe(200);
    expect((await api.get('/api/v1/contacts?limit=2', token)).status).toBe(200);
    const bad = await api.get('/api/v1/contacts?limit=many', token);
    expectError(bad.body, 'VALIDATION_FAILED');
    const field = { key: 'size', kind: 'number', label: 'Size' };
    expect((await api.post('/api/v1/fields/contacts', field, token)).status).toBe(201);
    const misplaced = await api.post('/api/v1/contacts', { last_name: 'Jones', size: 1 }, token);
    expect(misplaced.body).toMatchObject({ success: false, code: 'VALIDATION_FAILED' });
    const custom = { last_name: 'Jones', custom: { size: 1 } };
    expect((await api.post('/api/v1/contacts', custom, token)).status).toBe(201);
  });
});
