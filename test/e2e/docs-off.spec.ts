import { startApp } from '../support/app';
import { expectError } from '../support/envelope';

describe('With DOCS=off', () => {
  it('there is no documentation to find', async () => {
    const server = await startApp({ DOCS: 'off', CORS_ORIGINS: 'https://good.test' });
    try {
      for (const path of ['/api/docs', '/api/docs-json', '/api/docs/swagger-ui-init.js']) {
        const response = await server.api.get(path);
        expect(response.status).toBe(404);
        expectError(response.body, 'NOT_FOUND');
      }
    } finally {
      await server.close();
    }
  });
});
