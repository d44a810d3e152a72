import assert from 'node:assert/strict';
import { test } from 'node:test';

void test('what the tools use of the server is where they look for it', async () => {
  const parts = Object.entries(await import('./server-parts.mts'));
  assert.ok(parts.length > 5);
  for (const [name, part] of parts) assert.equal(typeof part, 'function', name);
});
