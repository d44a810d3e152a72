import { setTimeout as sleep } from 'node:timers/promises';
import { Page } from '../common/page';
import { asRequest, remainingTime } from '../common/request-context';
import { pagesOf, timed } from './paged';

describe('The pages of a list', () => {
  it('are all of them, each asked for by the cursor of the one before', async () => {
    const pages: Record<string, Page<number>> = {
      none: new Page([1, 2], 200, 'a'),
      a: new Page<number>([], 200, 'b'),
      b: new Page([3], 200, null),
    };
    const asked: unknown[] = [];
    const list = (query: { limit: number; cursor?: string }) => {
      asked.push(query);
      return Promise.resolve(pages[query.cursor ?? 'none'] ?? new Page<number>([], 200, null));
    };
    const found: number[][] = [];
    for await (const page of pagesOf(list)) found.push(page);
    expect(found).toEqual([[1, 2], [], [3]]);
    expect(asked).toEqual([
      { limit: 200, cursor: undefined },
      { limit: 200, cursor: 'a' },
      { limit: 200, cursor: 'b' },
    ]);
  });

  it('have each a time of their own, and end with their reader', async () => {
    let isTold = false;
    const parts = async function* () {
      try {
        for (;;) {
          await sleep(1);
          yield remainingTime(100_000);
        }
      } finally {
        isTold = true;
      }
    };
    const left: number[] = [];
    // The time of the request is over after the first one.
    await asRequest('export', 20, undefined, async () => {
      for await (const time of timed(5000, parts())) {
        left.push(time);
        await sleep(40);
        if (left.length === 3) break;
      }
    });
    expect(left.every((time) => time > 4500 && time <= 5000)).toBe(true);
    expect(left).toHaveLength(3);
    expect(isTold).toBe(true);
  });
});
