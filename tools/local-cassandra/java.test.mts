import assert from 'node:assert/strict';
import { test } from 'node:test';
import { majorVersion } from './java.mts';

void test('reads the major version from what the known JDKs print', () => {
  assert.equal(majorVersion('openjdk version "17.0.15" 2025-04-15'), 17);
  assert.equal(majorVersion('java version "1.8.0_391"'), 8);
  assert.equal(majorVersion('openjdk version "21" 2023-09-19'), 21);
  assert.equal(majorVersion('openjdk version "24-ea"'), 24);
  assert.equal(majorVersion('command not found'), undefined);
});
