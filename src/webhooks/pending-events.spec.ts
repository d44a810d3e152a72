import { OF_RECORD_MAX, PendingEvents } from './pending-events';
import type { Pending } from './webhook';

function event(position: number, id: string, attempts = 0): Pending {
  const at = new Date(0);
  const pointer = { position, object: 'contacts', id, version: position + 1, at };
  return { ...pointer, chunk: 0, attempts, firstAt: at, nextAt: at };
}

describe('The events on their way to a webhook', () => {
  it('are the first of each record, in the order of the log', () => {
    const events = new PendingEvents();
    for (const one of [event(0, 'a'), event(1, 'b'), event(2, 'a')]) events.add(one);
    expect(events.firsts().map(({ position }) => position)).toEqual([0, 1]);
    events.remove(event(0, 'a'));
    expect(events.firsts().map(({ position }) => position)).toEqual([2, 1]);
    // One that is sent again by hand goes before those that came after it.
    events.put(event(0, 'a'));
    expect(events.firsts().map(({ position }) => position)).toEqual([0, 1]);
  });

  it('are read on past those of a record that fails, however many it has', () => {
    const events = new PendingEvents();
    for (let position = 0; position < 4000; position++) events.add(event(position, 'a'));
    events.put(event(0, 'a', 1));
    expect(events.isFull(false)).toBe(false);
    for (let position = 4000; position < 4999; position++) {
      events.add(event(position, String(position)));
    }
    expect(events.isFull(false)).toBe(false);
    events.add(event(4999, 'b'));
    expect(events.isFull(false)).toBe(true);
    expect(events.first()).toBe(0);
  });

  it('are read on no more while all of them fail', () => {
    const events = new PendingEvents();
    for (let position = 0; position < 1000; position++) {
      events.add(event(position, String(position), 1));
    }
    expect([events.isFull(false), events.isFull(true)]).toEqual([false, true]);
    for (let position = 1000; position < 5000; position++) {
      events.add(event(position, String(position), 1));
    }
    expect(events.isFull(false)).toBe(true);
  });

  it('are taken from the table again when those of a record are done', () => {
    const events = new PendingEvents();
    const all = Array.from({ length: OF_RECORD_MAX + 5 }, (_, position) => event(position, 'a'));
    expect(all.filter((one) => events.add(one))).toHaveLength(OF_RECORD_MAX);
    expect(events.starved()).toEqual([]);
    for (const one of all.slice(0, OF_RECORD_MAX)) events.remove(one);
    expect(events.starved()).toEqual([['contacts a', OF_RECORD_MAX]]);
    // What comes meanwhile stays behind them.
    expect(events.add(event(900, 'a'))).toBe(false);
    expect(events.first()).toBe(OF_RECORD_MAX);
    events.takeBack('contacts a', [...all.slice(OF_RECORD_MAX), event(900, 'a')]);
    expect(events.firsts().map(({ position }) => position)).toEqual([OF_RECORD_MAX]);
    expect(events.add(event(901, 'a'))).toBe(true);
  });
});
