import fc from 'fast-check';
import { judge, limitHeaders } from './limit';
import { addressGroup } from './address';

describe('A limit', () => {
  const limit = {
    name: 'login',
    windows: [
      { count: 3, seconds: 60 },
      { count: 5, seconds: 600 },
    ],
  };
  const now = 1_000_000_000;
  const ago = (...seconds: number[]) => seconds.map((second) => now - second * 1000);

  it('leaves room until a window is full', () => {
    expect(judge(limit, ago(0), now).remaining).toBe(2);
    expect(judge(limit, ago(0, 1, 2), now).remaining).toBe(0);
    expect(judge(limit, ago(0, 1, 2, 3), now).remaining).toBe(-1);
  });

  it('says when there is room again: when the oldest that counts has left', () => {
    expect(judge(limit, ago(0, 10, 20, 30), now)).toMatchObject({ resetSeconds: 40 });
    expect(judge(limit, ago(0, 100, 200, 300, 400, 500), now)).toMatchObject({
      remaining: -1,
      resetSeconds: 200,
    });
  });

  it('says it in the header fields of the draft', () => {
    expect(limitHeaders(limit, judge(limit, ago(0, 10, 20, 30), now))).toEqual({
      'RateLimit-Policy': '"login";q=3;w=60, "login";q=5;w=600',
      RateLimit: '"login";r=0;t=40',
    });
  });

  it('lets through no more than its count in any window, whatever the times', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, (given) => {
        const passed: number[] = [];
        let time = now;
        for (const gap of given) {
          time += gap * 1000;
          const times = [time, ...passed];
          if (judge(limit, times, time).remaining >= 0) passed.unshift(time);
        }
        for (const { count, seconds } of limit.windows) {
          for (const end of passed) {
            const inside = passed.filter((one) => one <= end && one > end - seconds * 1000);
            expect(inside.length).toBeLessThanOrEqual(count);
          }
        }
      }),
    );
  });
});

describe('An address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['nonsense', 'unknown'],
  ])('%s counts as %s', (ip, group) => {
    expect(addressGroup(ip)).toBe(group);
  });
});
