import { Importer } from '../support/imports';
import { Api } from '../support/api';
import { startServer } from '../support/process';
import { Crm } from '../support/records';
import { TEST_SECRET } from '../support/config';

const ROWS = 3000;

describe('An import whose process is killed', () => {
  it('is finished by another process, each row once', async () => {
    const environment = { WORKERS: 'on', JWT_SECRET: TEST_SECRET };
    const first = await startServer(environment);
    const second = await startServer({ ...environment, WORKERS: 'off' });
    let third: Awaited<ReturnType<typeof startServer>> | undefined;
    try {
      const admin = await new Api(second.url).newAdmin();
      const importer = new Importer(second.url, admin);
      const crm = new Crm(second.url, admin);
      const rows = Array.from({ length: ROWS }, (_, index) => `N${String(index)},${String(index)}`);
      // Without anything unique: a row that is done twice would be two contacts.
      const { id } = await importer.begin(
        { object: 'contacts' },
        `last_name,title\n${rows.join('\n')}\n`,
      );
      // In the middle of a block, with some of them noted.
      for (;;) {
        const { progress, status } = await importer.read(id);
        if (progress.done >= 400) break;
        expect(['queued', 'running']).toContain(status);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      first.child.kill('SIGKILL');
      expect(await first.ended).toBe('SIGKILL');
      const left = await importer.read(id);
      expect(left.status).toBe('running');
      expect(left.progress.done).toBeLessThan(ROWS);
      third = await startServer(environment);
      const { status, progress } = await importer.ended(id, 120);
      expect([status, progress.done, progress.counts]).toEqual([
        'succeeded',
        ROWS,
        { created: ROWS },
      ]);
      const found = await crm.walk('contacts', { limit: 200 });
      expect(found).toHaveLength(ROWS);
      expect(new Set(found.map((one) => one.last_name)).size).toBe(ROWS);
      expect(found.every(({ version }) => version === 1)).toBe(true);
    } finally {
      for (const server of [first, second, third]) server?.child.kill('SIGKILL');
    }
  }, 240_000);
});
