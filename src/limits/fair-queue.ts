/** So long after the last time that another party came, one counts as alone. */
const ALONE_AFTER_MS = 5000;

/** What one party has running, and what of it waits, oldest first. */
interface Party {
  running: number;
  waiting: Set<Ticket>;
}

interface Ticket {
  state: 'waiting' | 'running' | 'over';
  name: string;
  party: Party;
  /** In the order of arrival. */
  number: number;
  timer?: NodeJS.Timeout;
  start: () => void;
  refuse: () => void;
}

export interface Room {
  /** How many run at a time. */
  slots: number;
  /** How many of one party while others come, too. */
  share: number;
  /** How many of one that is alone. */
  alone: number;
}

/**
 * Lets so many run at a time, and some more wait for a while. When one has ended, the party that has
 * the fewest running is next; when there is no place left to wait, the party with the most waiting
 * loses its latest. So a party that asks for more than its share takes it from itself.
 *
 * While others come, too, no party has more than `share` running, be there room or not: whoever comes
 * then would find all of them before him, in the process and in the database. One that has been alone
 * for a while may have more, and leaves some room for who comes next.
 */
export class FairQueue {
  private readonly parties = new Map<string, Party>();
  private readonly count = { running: 0, waiting: 0 };
  private arrivals = 0;
  /** Who came last, and when the last one of another party did. */
  private latest = { name: '', at: -Infinity };
  private otherCameAt = -Infinity;

  constructor(
    private readonly limits: Room & {
      /** How many may wait. */
      places: number;
      /** How long one waits before it is refused. */
      patienceMs: number;
    },
  ) {}

  /** Changes how many run at a time. What runs already is left to end. */
  resize(room: Room): void {
    Object.assign(this.limits, room);
    this.startNext();
  }

  get running(): number {
    return this.count.running;
  }

  get waiting(): number {
    return this.count.waiting;
  }

  /** Whether one more of a party would be refused at once. */
  isFullFor(name: string): boolean {
    if (this.count.waiting < this.limits.places || this.hasRoomFor(name)) return false;
    return (this.parties.get(name)?.waiting.size ?? 0) >= this.longest().waiting.size - 1;
  }

  /**
   * Calls `start`, at once or later, or else `refuse`.
   * @returns to be called when the work has ended, or when nobody waits for it any more
   */
  enter(name: string, start: () => void, refuse: () => void): () => void {
    if (name !== this.latest.name) this.otherCameAt = this.latest.at;
    this.latest = { name, at: performance.now() };
    if (this.isFullFor(name)) {
      refuse();
      return () => undefined;
    }
    if (this.count.waiting >= this.limits.places && !this.hasRoomFor(name)) {
      const latest = [...this.longest().waiting].at(-1);
      if (latest) this.giveUp(latest);
    }
    const party = this.parties.get(name) ?? { running: 0, waiting: new Set() };
    this.parties.set(name, party);
    const number = this.arrivals++;
    const ticket: Ticket = { state: 'waiting', name, party, number, start, refuse };
    party.waiting.add(ticket);
    this.count.waiting++;
    this.startNext();
    if (!this.isRunning(ticket)) {
      ticket.timer = setTimeout(() => {
        this.giveUp(ticket);
      }, this.limits.patienceMs);
    }
    return () => {
      this.end(ticket);
    };
  }

  /** Whether it could run at once: nobody waits who could, too. */
  private hasRoomFor(name: string): boolean {
    const running = this.parties.get(name)?.running ?? 0;
    return this.count.running < this.limits.slots && running < this.mostOf(name);
  }

  private mostOf(name: string): number {
    const othersCameAt = name === this.latest.name ? this.otherCameAt : this.latest.at;
    const isAlone = performance.now() - othersCameAt > ALONE_AFTER_MS;
    return isAlone ? this.limits.alone : this.limits.share;
  }

  // Behind a method: the compiler does not see that startNext may have changed it.
  private isRunning(ticket: Ticket): boolean {
    return ticket.state === 'running';
  }

  private giveUp(ticket: Ticket): void {
    this.end(ticket);
    ticket.refuse();
  }

  private end(ticket: Ticket): void {
    const { state, name, party } = ticket;
    if (state === 'over') return;
    clearTimeout(ticket.timer);
    ticket.state = 'over';
    this.count[state]--;
    if (state === 'running') party.running--;
    else party.waiting.delete(ticket);
    if (party.running === 0 && party.waiting.size === 0) this.parties.delete(name);
    this.startNext();
  }

  private startNext(): void {
    while (this.count.running < this.limits.slots && this.count.waiting > 0) {
      const next = this.next();
      if (!next) return;
      clearTimeout(next.timer);
      next.party.waiting.delete(next);
      this.count.waiting--;
      next.state = 'running';
      next.party.running++;
      this.count.running++;
      next.start();
    }
  }

  /** The oldest of the party that has the fewest running, if any has its share not full. */
  private next(): Ticket | undefined {
    let best: Ticket | undefined;
    for (const [name, { running, waiting }] of this.parties) {
      const [head] = waiting;
      if (!head || running >= this.mostOf(name)) continue;
      if (best && running > best.party.running) continue;
      if (!best || running < best.party.running || head.number < best.number) best = head;
    }
    return best;
  }

  private longest(): Party {
    let longest: Party = { running: 0, waiting: new Set() };
    for (const party of this.parties.values()) {
      if (party.waiting.size > longest.waiting.size) longest = party;
    }
    return longest;
  }
}
