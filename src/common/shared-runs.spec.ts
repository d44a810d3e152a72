import { setImmediate as tick } from 'node:timers/promises';
import { SharedRuns } from './shared-runs';

/** Runs that end when they are told to, and say which one they were. */
function controlled() {
  const runs: PromiseWithResolvers<number>[] = [];
  const work = () => {
    const run = Promise.withResolvers<number>();
    runs.push(run);
    return run.promise;
  };
  return { runs, work };
}

describe('Work that is shared', () => {
  it('is done once for all who ask while an earlier run is under way, and after it', async () => {
    const shared = new SharedRuns<number>();
    const { runs, work } = controlled();
    const first = shared.run('a', work);
    const others = [1, 2, 3].map(() => shared.run('a', work));
    await tick();
    expect(runs).toHaveLength(1);
    runs[0]?.resolve(1);
    await tick();
    expect(runs).toHaveLength(2);
    const late = shared.run('a', work);
    runs[1]?.resolve(2);
    await tick();
    runs[2]?.resolve(3);
    expect(await Promise.all([first, ...others, late])).toEqual([1, 2, 2, 2, 3]);
    const afterwards = shared.run('a', work);
    expect(runs).toHaveLength(4);
    runs[3]?.resolve(4);
    expect(await afterwards).toBe(4);
  });

  it('is done side by side for different keys', () => {
    const shared = new SharedRuns<number>();
    const { runs, work } = controlled();
    void shared.run('a', work);
    void shared.run('b', work);
    expect(runs).toHaveLength(2);
  });

  it('fails for who began it; the next run begins all the same, and who shares a failed one tries himself', async () => {
    const shared = new SharedRuns<number>();
    const { runs, work } = controlled();
    const outcomes = [1, 2, 3].map(() => shared.run('a', work).catch(String));
    runs[0]?.reject(new Error('first'));
    await tick();
    runs[1]?.reject(new Error('second'));
    await tick();
    runs[2]?.resolve(3);
    expect(await Promise.all(outcomes)).toEqual(['Error: first', 'Error: second', 3]);
    void shared.run('a', work);
    expect(runs).toHaveLength(4);
  });
});
