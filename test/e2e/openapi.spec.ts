import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { startApp, type TestApp } from '../support/app';

describe('The OpenAPI document', () => {
  let server: TestApp;
  beforeAll(async () => {
    server = await startApp();
  });
  afterAll(() => server.close());

  it('is valid, and docs/openapi.json is up to date (npm run gen)', async () => {
    const served = await server.api.get('/api/docs-json');
    expect(served.status).toBe(200);
    const result = await new Validator().validate(served.body as Record<string, unknown>);
    expect(result).toMatchObject({ valid: true });
    const file = readFileSync(join(__dirname, '..', '..', 'docs', 'openapi.json'), 'utf8');
    expect(served.body).toEqual(JSON.parse(file));
  });

  it('is shown by Swagger UI, with scripts of our own origin only', async () => {
    const page = await server.api.get('/api/docs');
    expect(page.status).toBe(200);
    expect(page.text).toContain('swagger-ui');
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
    expect((await server.api.get('/api/docs/swagger-ui-init.js')).text).toContain(
      'persistAuthorization',
    );
  });
});
