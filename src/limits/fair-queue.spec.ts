import fc from 'fast-check';
import { FairQueue } from './fair-queue';

interface Work {
  name: string;
  state: 'waiting' | 'running' | 'refused' | 'ended';
  leave: () => void;
}

/** What a caller of the queue sees of it. */
class Callers {
  readonly all: Work[] = [];

  constructor(private readonly queue: FairQueue) {}

  come(name: string): Work {
    const work: Work = { name, state: 'waiting', leave: () => undefined };
    this.all.push(work);
    const leave = this.queue.enter(
      name,
      () => (work.state = 'running'),
      () => (work.state = 'refused'),
    );
    work.leave = () => {
      leave();
      if (work.state !== 'refused') work.state = 'ended';
    };
    return work;
  }

  count(state: Work['state'], name?: string): number {
    return this.all.filter(
      (work) => work.state === state && (name === undefined || work.name === name),
    ).length;
  }
}

function callersOf(slots: number, share: number, places: number, patienceMs = 60_000) {
  return new Callers(new FairQueue({ slots, share, alone: share, places, patienceMs }));
}

describe('A fair queue', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('starts who comes second of a party before the third of another one', () => {
    const callers = callersOf(4, 3, 10);
    const loud = Array.from({ length: 5 }, () => callers.come('loud'));
    expect(callers.count('running', 'loud')).toBe(3);
    const first = callers.come('quiet');
    const second = callers.come('quiet');
    expect([first.state, second.state]).toEqual(['running', 'waiting']);
    loud[0]?.leave();
    expect(second.state).toBe('running');
    expect(callers.count('running', 'loud')).toBe(2);
  });

  it('gives one that is alone more, and room to who comes next', () => {
    const callers = new Callers(
      new FairQueue({ slots: 4, share: 1, alone: 3, places: 10, patienceMs: 60_000 }),
    );
    const loud = Array.from({ length: 5 }, () => callers.come('loud'));
    expect(callers.count('running', 'loud')).toBe(3);
    const quiet = callers.come('quiet');
    expect(quiet.state).toBe('running');
    for (const work of [quiet, ...loud.slice(0, 3)]) work.leave();
    expect(callers.count('running', 'loud')).toBe(1);
    jest.advanceTimersByTime(5001);
    callers.come('loud');
    expect(callers.count('running', 'loud')).toBe(3);
  });

  it('takes a place for one who has none from who has the most', () => {
    const callers = callersOf(2, 2, 4);
    const loud = Array.from({ length: 7 }, () => callers.come('loud'));
    expect(loud.map(({ state }) => state)).toEqual([
      ...['running', 'running', 'waiting', 'waiting', 'waiting', 'waiting'],
      'refused',
    ]);
    const quiet = callers.come('quiet');
    expect(quiet.state).toBe('waiting');
    expect(loud[5]?.state).toBe('refused');
    loud[0]?.leave();
    expect(quiet.state).toBe('running');
  });

  it('starts those who wait when it is made larger, and no one while it is too full', () => {
    const queue = new FairQueue({ slots: 1, share: 1, alone: 1, places: 9, patienceMs: 60_000 });
    const callers = new Callers(queue);
    const all = ['a', 'b', 'c', 'd'].map((name) => callers.come(name));
    queue.resize({ slots: 3, share: 1, alone: 1 });
    expect(callers.count('running')).toBe(3);
    queue.resize({ slots: 1, share: 1, alone: 1 });
    all[0]?.leave();
    all[1]?.leave();
    expect(callers.count('running')).toBe(1);
    all[2]?.leave();
    expect(all[3]?.state).toBe('running');
  });

  it('refuses who has waited too long, and has his place again', () => {
    const callers = callersOf(1, 1, 1, 1000);
    const running = callers.come('a');
    const late = callers.come('b');
    jest.advanceTimersByTime(1001);
    expect(late.state).toBe('refused');
    const next = callers.come('c');
    running.leave();
    expect(next.state).toBe('running');
    jest.advanceTimersByTime(5000);
    expect(next.state).toBe('running');
  });

  it('keeps its limits, leaves nothing undone and loses no slot, whatever comes and goes', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd') }),
        fc.record({ leave: fc.nat(50) }),
        fc.record({ wait: fc.oneof(fc.nat(900), fc.constant(6000)) }),
      ),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(steps, fc.nat({ max: 4 }), (program, places) => {
        const queue = new FairQueue({ slots: 4, share: 2, alone: 3, places, patienceMs: 1000 });
        const callers = new Callers(queue);
        for (const step of program) {
          if ('name' in step) callers.come(step.name);
          else if ('wait' in step) jest.advanceTimersByTime(step.wait);
          else callers.all.at(step.leave % Math.max(1, callers.all.length))?.leave();

          expect([queue.running, queue.waiting]).toEqual([
            callers.count('running'),
            callers.count('waiting'),
          ]);
          expect(queue.running).toBeLessThanOrEqual(4);
          expect(queue.waiting).toBeLessThanOrEqual(places);
          for (const name of ['a', 'b', 'c', 'd']) {
            const running = callers.count('running', name);
            expect(running).toBeLessThanOrEqual(3);
            // Nobody waits while he could run.
            if (callers.count('waiting', name) > 0) {
              expect(running >= 2 || queue.running === 4).toBe(true);
            }
          }
        }
        for (const work of callers.all) work.leave();
        expect([queue.running, queue.waiting]).toEqual([0, 0]);
        const fresh = callers.come('e');
        expect(fresh.state).toBe('running');
      }),
    );
  });
});
