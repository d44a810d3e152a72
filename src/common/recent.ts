import { LRUCache } from 'lru-cache';

/** How long an ended right may live on in another process; see adr/0004-sessions.md. */
const AGE_MS = 1000;
const SIZE = 10_000;

/**
 * What was found within the last second, so that the requests of one caller do not all ask for the
 * same. Another process may have changed it since: good for a yes, while a no is to be asked for
 * again. What is not there is not remembered.
 */
export class Recent<V extends object> {
  private readonly reads = new LRUCache<string, Promise<V | undefined>>({
    max: SIZE,
    ttl: AGE_MS,
  });

  async read(key: string, find: () => Promise<V | undefined>): Promise<V | undefined> {
    const known = this.reads.get(key);
    // Whoever began it may have had less time than this one.
    if (known) return known.catch(find);
    const read = find();
    this.reads.set(key, read);
    try {
      const found = await read;
      if (!found) this.drop(key, read);
      return found;
    } catch (error) {
      this.drop(key, read);
      throw error;
    }
  }

  /** Does a write. Nothing that was read before its end is remembered, reads under way included. */
  async write<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.reads.delete(key);
    }
  }

  private drop(key: string, read: Promise<V | undefined>): void {
    if (this.reads.peek(key) === read) this.reads.delete(key);
  }
}
