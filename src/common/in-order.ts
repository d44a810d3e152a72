import type { NextFunction, Request, RequestHandler, Response } from 'express';

/** A middleware that hands on at once or later, or answers, and returns nothing to wait for. */
export type Step = (request: Request, response: Response, next: NextFunction) => void;

/**
 * Several middlewares as one, each called when the one before hands on. For what every request goes
 * through: between two of its own layers Express matches the path again and makes new `params`
 * (docs/performance.md).
 */
export function inOrder(...steps: Step[]): RequestHandler {
  return (request, response, next) => {
    let at = 0;
    const go = (fault?: unknown): void => {
      const step = fault === undefined ? steps[at++] : undefined;
      if (!step) {
        next(fault);
        return;
      }
      try {
        step(request, response, go);
      } catch (error) {
        next(error);
      }
    };
    go();
  };
}
