import { setTimeout as sleep } from 'node:timers/promises';
import { Recent } from './recent';

describe('Recent', () => {
  let recent: Recent<{ at: number }>;
  let finds: number;

  beforeEach(() => {
    recent = new Recent();
    finds = 0;
  });

  const find = () => Promise.resolve({ at: ++finds });
  const read = () => recent.read('key', find);
  const write = () => recent.write('key', () => Promise.resolve());

  it('asks once for many at a time, and for those after them', async () => {
    expect(await Promise.all([read(), read()])).toEqual([{ at: 1 }, { at: 1 }]);
    expect(await read()).toEqual({ at: 1 });
    expect(await recent.read('other', find)).toEqual({ at: 2 });
  });

  it('asks again after a second', async () => {
    await read();
    await sleep(1050);
    expect(await read()).toEqual({ at: 2 });
  });

  it('asks again after a write', async () => {
    await read();
    await write();
    expect(await read()).toEqual({ at: 2 });
  });

  it('does not keep a read that was under way when something was written', async () => {
    const { promise, resolve } = Promise.withResolvers<{ at: number }>();
    const early = recent.read('key', () => promise);
    await write();
    const late = read();
    resolve({ at: 0 });
    expect(await early).toEqual({ at: 0 });
    expect(await late).toEqual({ at: 1 });
    expect(await read()).toEqual({ at: 1 });
  });

  it('does not remember that nothing was there', async () => {
    expect(await recent.read('key', () => Promise.resolve(undefined))).toBeUndefined();
    expect(await read()).toEqual({ at: 1 });
  });

  it('lets nobody fail because another one did', async () => {
    const fault = new Error('late');
    const failing = recent.read('key', () => Promise.reject(fault));
    const other = read();
    await expect(failing).rejects.toBe(fault);
    expect(await other).toEqual({ at: 1 });
    expect(await read()).toEqual({ at: 2 });
  });
});
