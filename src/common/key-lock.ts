import { unavailable } from './errors';

/** More than this wait for one key only under attack, or for a database that does not answer. */
const WAITING_MAX = 200;

/**
 * One at a time for each key, in this process. It saves the database from conditional writes that
 * would only hinder one another; correctness does not depend on it.
 */
export class KeyLock {
  private readonly tails = new Map<string, { last: Promise<void>; waiting: number }>();

  /** @throws AppError SERVICE_UNAVAILABLE where too many wait already */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const tail = this.tails.get(key) ?? { last: Promise.resolve(), waiting: 0 };
    if (tail.waiting >= WAITING_MAX) throw unavailable(1, { shedReason: 'contention' });
    const result = tail.last.then(work);
    tail.last = result.then(
      () => undefined,
      () => undefined,
    );
    tail.waiting++;
    this.tails.set(key, tail);
    try {
      return await result;
    } finally {
      tail.waiting--;
      if (tail.waiting === 0) this.tails.delete(key);
    }
  }
}
