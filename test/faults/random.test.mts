import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './random.mts';

const draw = (seed: number) => {
  const random = new Random(seed);
  return Array.from({ length: 50 }, () => random.below(1000));
};

void test('the same seed gives the same numbers, another one others', () => {
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

void test('a shuffle keeps everything', () => {
  const items = [1, 2, 3, 4, 5, 6];
  assert.deepEqual(new Random(3).shuffle(items).toSorted(), items);
});
