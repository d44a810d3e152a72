import { setTimeout as sleep } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { filesOf } from '../../test/support/archive';
import { type ZipEntry, zipped } from './zipped';

const END_OF_DIRECTORY = Buffer.from('PK\u0005\u0006');

describe('A zip archive', () => {
  /** How many parts of a kind were made, and whether their maker was told of the end. */
  const maker = () => {
    const seen = { made: 0, stopped: false };
    const chunks = async function* (times: number, chunk: () => string, failing = false) {
      try {
        for (; seen.made < times; seen.made++) yield await Promise.resolve(chunk());
        if (failing) throw new Error('no more');
      } finally {
        seen.stopped = true;
      }
    };
    return { seen, chunks };
  };
  async function* inOrder(...entries: ZipEntry[]): AsyncGenerator<ZipEntry> {
    for (const entry of entries) yield await Promise.resolve(entry);
  }
  const noise = () => randomBytes(48 * 1024).toString('base64');

  it('has every entry as it was made', async () => {
    const long = maker().chunks(40, () => 'grüße '.repeat(5000));
    const entries = inOrder(
      { name: 'a/long.txt', chunks: long },
      { name: 'empty.txt', chunks: maker().chunks(0, noise) },
      { name: 'Ω.txt', chunks: maker().chunks(1, () => 'x') },
    );
    const parts: Buffer[] = [];
    for await (const part of zipped(entries)) parts.push(part);
    const files = await filesOf(Buffer.concat(parts));
    expect([...files.keys()]).toEqual(['a/long.txt', 'empty.txt', 'Ω.txt']);
    expect(files.get('a/long.txt')?.toString()).toBe('grüße '.repeat(200_000));
    expect(files.get('empty.txt')?.length).toBe(0);
  });

  it('asks for an entry when the one before has been read', async () => {
    const first = maker();
    const seen: number[] = [];
    const entries = (async function* () {
      yield await Promise.resolve({ name: 'a', chunks: first.chunks(5, noise) });
      seen.push(first.seen.made);
      yield { name: 'b', chunks: maker().chunks(1, () => String(first.seen.made)) };
    })();
    const parts: Buffer[] = [];
    for await (const part of zipped(entries)) parts.push(part);
    expect(seen).toEqual([5]);
    expect((await filesOf(Buffer.concat(parts))).get('b')?.toString()).toBe('5');
  });

  it('is none where an entry fails', async () => {
    const { chunks } = maker();
    const good = { name: 'a', chunks: maker().chunks(1, noise) };
    const parts: Buffer[] = [];
    const read = async () => {
      const entries = inOrder(good, { name: 'b', chunks: chunks(3, noise, true) });
      for await (const part of zipped(entries)) parts.push(part);
    };
    await expect(read()).rejects.toThrow('no more');
    expect(Buffer.concat(parts).includes(END_OF_DIRECTORY)).toBe(false);
  });

  it('is none where the next entry cannot be had', async () => {
    const entries = (async function* () {
      yield await Promise.resolve({ name: 'a', chunks: maker().chunks(1, noise) });
      throw new Error('not there');
    })();
    const parts: Buffer[] = [];
    const read = async () => {
      for await (const part of zipped(entries)) parts.push(part);
    };
    await expect(read()).rejects.toThrow('not there');
    expect(Buffer.concat(parts).includes(END_OF_DIRECTORY)).toBe(false);
  });

  it('makes no more than is read, and stops with its reader', async () => {
    const { seen, chunks } = maker();
    let isTold = false;
    const entries = (async function* () {
      try {
        yield await Promise.resolve({ name: 'a', chunks: chunks(Infinity, noise) });
      } finally {
        isTold = true;
      }
    })();
    const archive = zipped(entries);
    await archive.next();
    await archive.next();
    // What the stages between hold is deflated in threads of the pool: it fills when they get to run.
    for (let made = -1; made < seen.made && seen.made < 30;) {
      made = seen.made;
      await sleep(300);
    }
    expect(seen.made).toBeLessThan(30);
    await archive.return(undefined);
    expect([seen.stopped, isTold]).toEqual([true, true]);
  });
});
