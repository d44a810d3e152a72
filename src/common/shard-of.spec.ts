import { shardOf } from './shard-of';

describe('The shard of an id', () => {
  it('is where it has always been: what is stored is found by it', () => {
    const id = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';
    expect([shardOf(id, 64), shardOf(id, 16, 4), shardOf(id, 1000, 8)]).toEqual([18, 3, 966]);
    expect(shardOf('acme', 4)).toBe(3);
  });
});
