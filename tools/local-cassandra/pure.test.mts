import assert from 'node:assert/strict';
import { test } from 'node:test';
import { devPorts } from './cluster.mts';
import { LocalCassandraError } from './common.mts';
import { lastWords } from './node.mts';
import { isMarkAlive, ownMark, parseStat } from './processes.mts';

void test('another native port moves all ports of the development cluster', () => {
  assert.deepEqual(devPorts(3, undefined), [9042, 17_000, 17_199, 17_200, 17_201]);
  assert.deepEqual(devPorts(1, '9142'), [9142, 17_100, 17_299]);
  for (const chosen of ['1', '9041', '65535']) {
    const ports = devPorts(3, chosen);
    assert.equal(new Set(ports).size, 5);
    assert.ok(ports.every((port) => port > 0 && port <= 65_535));
  }
});

void test('a native port that is none is refused', () => {
  for (const chosen of ['abc', '0', '70000', '1.5']) {
    assert.throws(() => devPorts(1, chosen), LocalCassandraError);
  }
});

void test('the last words are the first complaint and the root cause', () => {
  const log = 'INFO  up\nERROR no start\n\tat X\nCaused by: one\n\tat Y\nCaused by: root\n';
  assert.equal(lastWords(log), 'ERROR no start\nCaused by: root');
  assert.equal(lastWords('Error in the VM\nno space\n'), 'Error in the VM\nno space');
  assert.equal(lastWords('INFO  one\nINFO  two\n'), 'INFO  two');
  assert.equal(lastWords(''), '');
});

void test('the name of a program does not confuse the reading of its state', () => {
  const rest = '1 1 1 0 -1 4194560 1 0 0 0 5 2 0 0 20 0 1 0 9876 1 1';
  assert.deepEqual(parseStat(`7 (a) Z 9) S ${rest}`), { state: 'S', began: '9876' });
});

void test('a mark belongs to one process, not to a later one with its pid', () => {
  assert.ok(isMarkAlive(ownMark()));
  assert.ok(!isMarkAlive(`${String(process.pid)} 12345`));
  assert.ok(!isMarkAlive(''));
});
