import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api-client.mts';
import type { Organization, World } from '../world.mts';

/** Few enough that an import is over within a fault, more than one block of 200 would be too slow. */
const ROWS = 60;
const LOOK_EVERY_MS = 1000;
const PATIENCE_MS = 60_000;

/** A file of records without anything unique: a row that is done twice would be two of them. */
export async function imports(
  world: World,
  client: ApiClient,
  { admin }: Organization,
): Promise<void> {
  const marker = world.name('i');
  const rows = Array.from({ length: ROWS }, (_, index) => `${marker}-${String(index)},${marker}`);
  const form = new FormData();
  form.append('object', 'contacts');
  form.append('file', new Blob([`last_name,title\n${rows.join('\n')}\n`]), 'file.csv');
  const begun = await client.send({
    workload: 'imports',
    kind: 'import',
    method: 'POST',
    path: '/api/v1/imports',
    body: { rows: ROWS },
    form,
    marker,
    key: world.name('key'),
    account: admin,
  });
  if (begun.outcome !== 'ok') return;
  const { id } = begun.data as { id: string };
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    await sleep(LOOK_EVERY_MS);
    const looked = await client.send({
      workload: 'imports',
      kind: 'job',
      method: 'GET',
      path: `/api/v1/jobs/${id}`,
      marker,
      account: admin,
    });
    const { status } = (looked.data ?? {}) as { status?: string };
    if (['succeeded', 'failed', 'cancelled'].includes(status ?? '')) return;
  }
}
