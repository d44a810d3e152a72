import type { Request, Response } from 'express';
import { v7 as timeOrderedId, validate, version } from 'uuid';
import { derivedId, isReplay, newId } from './operation';
import { currentRequest, requestContext, withOperation, withOwnDeadline } from './request-context';
import { timeOfId } from './time-ordered-id';

/** Does the work inside of a request that has a second for it. */
function inRequest<T>(work: () => T): T {
  let result: { value: T } | undefined;
  requestContext(1000)({ id: 'r1' } as Request, {} as Response, () => {
    result = { value: work() };
  });
  if (!result) throw new Error('the request was not passed on');
  return result.value;
}

describe('An id of an operation', () => {
  const seed = '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11';

  it('follows from the seed and the name', () => {
    expect(derivedId(seed, 'contact')).toBe(derivedId(seed, 'contact'));
    const names = Array.from({ length: 1000 }, (_, index) => `item:${String(index)}`);
    const ids = new Set(names.map((name) => derivedId(seed, name)));
    expect(ids.size).toBe(1000);
    expect(ids).not.toContain(seed);
    expect(derivedId(timeOrderedId(), 'contact')).not.toBe(derivedId(timeOrderedId(), 'contact'));
  });

  it('stays the same from release to release', () => {
    expect(derivedId(seed, 'contact')).toBe('0197c1b2-7a53-7b40-8c7d-55ec2c6b6fbf');
  });

  it('is a UUIDv7 of the time of the seed', () => {
    for (let count = 0; count < 1000; count++) {
      const own = timeOrderedId();
      const id = derivedId(own, 'contact');
      expect([validate(id), version(id), timeOfId(id)]).toEqual([true, 7, timeOfId(own)]);
    }
  });

  it('is what a request gets that is part of an operation, and no other', () => {
    const made = inRequest(() =>
      withOperation({ seed, replay: true }, () => [newId('a'), newId('b'), isReplay()]),
    );
    expect(made).toEqual([derivedId(seed, 'a'), derivedId(seed, 'b'), true]);
    const first = inRequest(() => withOperation({ seed, replay: false }, isReplay));
    expect(first).toBe(false);
    for (const where of [inRequest, <T>(work: () => T) => work()]) {
      const [one, two] = where((): [string, string] => [newId('a'), newId('a')]);
      expect(one).not.toBe(two);
      expect(version(one)).toBe(7);
      expect(where(isReplay)).toBe(false);
    }
  });

  it('leaves the request as it is otherwise', () => {
    inRequest(() => {
      const outside = currentRequest();
      const operation = { seed, replay: false };
      expect(withOperation(operation, currentRequest)).toEqual({ ...outside, operation });
      const inside = withOwnDeadline(60_000, currentRequest);
      expect(inside).toMatchObject({ requestId: 'r1' });
      expect(inside?.endsAt).toBeGreaterThan(Date.now() + 50_000);
      expect(currentRequest()).toBe(outside);
    });
  });
});
