import { startApp, type TestApp } from '../support/app';
import { Importer } from '../support/imports';
import { faultsOf } from '../support/records';

const MILLION = 1_000_000;

describe('Imports', () => {
  let server: TestApp;
  afterEach(() => server.close());

  it('take a million rows, and not one more', async () => {
    server = await startApp({ WORKERS: 'off' });
    const importer = new Importer(server.url, await server.api.newAdmin());
    const file = `last_name\n${'x\n'.repeat(MILLION)}`;
    const begun = await importer.begin({ object: 'contacts' }, file);
    expect(begun).toMatchObject({ status: 'queued', progress: { done: 0, total: MILLION } });
    // Or the workers of other tests would begin with it.
    await importer.post(`/api/v1/imports/${begun.id}/cancel`);
    const refused = await importer.send({ object: 'contacts' }, `${file}x\n`);
    expect(refused.status).toBe(400);
    expect(faultsOf(refused)).toEqual(['file maxRows']);
  });

  it('do nothing in the name of an API key that was revoked since', async () => {
    server = await startApp({ WORKERS: 'off' });
    const admin = await server.api.newAdmin();
    const made = await server.api.post(
      '/api/v1/api-keys',
      { name: 'sync', role: 'admin' },
      admin.token,
    );
    const { id, key } = (made.body as { data: { id: string; key: string } }).data;
    const byKey = new Importer(server.url, { ...admin, token: key });
    const begun = await byKey.begin({ object: 'contacts' }, 'last_name\nBerger\n');
    expect((await server.api.delete(`/api/v1/api-keys/${id}`, admin.token)).status).toBe(204);
    await server.close();

    server = await startApp({ WORKERS: 'on' });
    const ended = await new Importer(server.url, admin).ended(begun.id);
    expect(ended).toMatchObject({
      status: 'failed',
      error: { message: 'The API key that this job was asked for by is not valid any more.' },
      progress: { done: 0 },
    });
    const listed = await server.api.get('/api/v1/contacts', admin.token);
    expect((listed.body as { data: object[] }).data).toEqual([]);
  });
});
