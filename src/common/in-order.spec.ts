import { setImmediate as turn } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { inOrder, type Step } from './in-order';

describe('Middlewares in order', () => {
  const run = (...steps: Step[]) =>
    new Promise<unknown>((resolve) => {
      void inOrder(...steps)({} as Request, {} as Response, resolve);
    });
  const named =
    (name: string, seen: string[]): Step =>
    (_request, _response, next) => {
      seen.push(name);
      next();
    };

  it('are called one after the other, however long one takes', async () => {
    const seen: string[] = [];
    const slow: Step = (_request, _response, next) => {
      void turn().then(() => {
        seen.push('slow');
        next();
      });
    };
    expect(await run(named('a', seen), slow, named('b', seen))).toBeUndefined();
    expect(seen).toEqual(['a', 'slow', 'b']);
  });

  it('end with the first that hands on a fault, or throws', async () => {
    const seen: string[] = [];
    const fault = new Error('no');
    const refuses: Step = (_request, _response, next) => {
      next(fault);
    };
    const throws: Step = () => {
      throw fault;
    };
    const throwsLater: Step = (_request, _response, next) => {
      void turn().then(() => {
        next();
      });
    };
    expect(await run(refuses, named('a', seen))).toBe(fault);
    expect(await run(throws, named('a', seen))).toBe(fault);
    expect(await run(throwsLater, throws, named('a', seen))).toBe(fault);
    expect(seen).toEqual([]);
  });
});
