import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Api } from '../support/api';
import { startServer } from '../support/process';

interface DocumentBody {
  components: {
    schemas: Record<string, { properties: Record<string, { example: string }>; example?: object }>;
  };
}

// The compiled server: the descriptions of fields come from their comments, at compile time.
describe('The OpenAPI document', () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let api: Api;
  beforeAll(async () => {
    server = await startServer();
    api = new Api(server.url);
  });
  afterAll(async () => {
    server.child.kill('SIGTERM');
    await server.ended;
  });

  it('is valid, and docs/openapi.json is up to date (npm run gen)', async () => {
    const served = await api.get('/api/docs-json');
    expect(served.status).toBe(200);
    const result = await new Validator().validate(served.body as Record<string, unknown>);
    expect(result).toMatchObject({ valid: true });
    const file = readFileSync(join(__dirname, '..', '..', 'docs', 'openapi.json'), 'utf8');
    expect(served.body).toEqual(JSON.parse(file));
  });

  it('is shown by Swagger UI, with scripts of our own origin only', async () => {
    const page = await api.get('/api/docs');
    expect(page.status).toBe(200);
    expect(page.text).toContain('swagger-ui');
    expect(page.headers['content-security-policy']).toContain("default-src 'self'");
    const script = await api.get('/api/docs/swagger-ui-init.js');
    expect(script.text).toContain('persistAuthorization');
  });

  it('has examples that work: register, sign in, read, change', async () => {
    const { body } = (await api.get('/api/docs-json')) as { body: DocumentBody };
    const { schemas } = body.components;
    const exampleOf = (schema: string) =>
      Object.fromEntries(
        Object.entries(schemas[schema]?.properties ?? {}).map(([field, { example }]) => [
          field,
          example,
        ]),
      );
    // 403 where the same database has seen the example before.
    expect([201, 403]).toContain((await api.register(exampleOf('RegisterDto'))).status);
    const signedIn = await api.login(exampleOf('LoginDto'));
    expect(signedIn.status).toBe(200);
    const { access_token: token } = (signedIn.body as { data: { access_token: string } }).data;
    for (const path of ['/api/v1/users/me', '/api/v1/users?limit=50', '/api/v1/organization']) {
      expect((await api.get(path, token)).status).toBe(200);
    }
    expect((await api.patch('/api/v1/users/me', exampleOf('ChangeMeDto'), token)).status).toBe(200);
  });

  it('has examples of records that work: create, change', async () => {
    const { body } = (await api.get('/api/docs-json')) as { body: DocumentBody };
    const example = (schema: string) => body.components.schemas[schema]?.example ?? {};
    const { token } = await api.newAdmin();
    const kinds = {
      companies: 'Company',
      contacts: 'Contact',
      pipelines: 'Pipeline',
      deals: 'Deal',
      activities: 'Activity',
    };
    for (const [object, title] of Object.entries(kinds)) {
      const path = `/api/v1/${object}`;
      const created = await api.post(path, example(`${title}Input`), token);
      expect([object, created.status, created.body]).toEqual([object, 201, expect.anything()]);
      const { id } = (created.body as { data: { id: string } }).data;
      const changed = await api.patch(`${path}/${id}`, example(`${title}Patch`), token);
      expect([object, changed.status]).toEqual([object, 200]);
    }
  });
});
