import type { Pending } from './webhook';

/** Events that can go out, and events in all: beyond them nothing more is read of the log. */
const READY_MAX = 1000;
const TOTAL_MAX = 5000;
/** Of one record: the others stay in the table until these are done. */
export const OF_RECORD_MAX = 50;

export function recordOf({ object, id }: Pick<Pending, 'object' | 'id'>): string {
  return `${object} ${id}`;
}

/**
 * The events of a webhook that are on their way, as far as they are in memory: those of each record
 * in their order. A record whose first one fails holds back its own, and takes no room of others.
 */
export class PendingEvents {
  private readonly records = new Map<string, Pending[]>();
  private readonly chunks = new Map<number, number>();
  /** Of records with events that are in the table only: the position of the first of them. */
  private readonly left = new Map<string, number>();

  /** False: it stays in the table, as those of its record before it do, or enough of them are here. */
  add(one: Pending): boolean {
    if (this.chunks.has(one.position)) return true;
    const record = recordOf(one);
    const events = this.records.get(record) ?? [];
    if (this.left.has(record) || events.length >= OF_RECORD_MAX) {
      this.left.set(record, Math.min(this.left.get(record) ?? one.position, one.position));
      return false;
    }
    this.put(one);
    return true;
  }

  /** Adds it whatever is there, or takes the place of the one at its position. */
  put(one: Pending): void {
    const record = recordOf(one);
    const others = this.records.get(record) ?? [];
    const before = others.filter(({ position }) => position < one.position);
    const after = others.filter(({ position }) => position > one.position);
    this.records.set(record, [...before, one, ...after]);
    this.chunks.set(one.position, one.chunk);
  }

  remove(one: Pending): void {
    const record = recordOf(one);
    const others = (this.records.get(record) ?? []).filter(
      ({ position }) => position !== one.position,
    );
    if (others.length > 0) this.records.set(record, others);
    else this.records.delete(record);
    this.chunks.delete(one.position);
  }

  /** In which chunk of the table the one at a position is; undefined for none. */
  chunkAt(position: number): number | undefined {
    return this.chunks.get(position);
  }

  get size(): number {
    return this.chunks.size;
  }

  /** The first event of each record. */
  firsts(): Pending[] {
    return [...this.records.values()].flatMap(([first]) => first ?? []);
  }

  /** Whether to read on. While the endpoint itself fails there is no use in reading past anything. */
  isFull(isFailing: boolean): boolean {
    if (this.chunks.size >= (isFailing ? READY_MAX : TOTAL_MAX)) return true;
    let ready = 0;
    for (const events of this.records.values()) {
      if (events[0]?.attempts === 0) ready += events.length;
    }
    return ready >= READY_MAX;
  }

  /** Records of which all that was here is done, and where in the table the others begin. */
  starved(): [record: string, position: number][] {
    return [...this.left].filter(([record]) => !this.records.has(record));
  }

  /** Adds those of a starved record that the table has, in their order: all, or more than there is room for. */
  takeBack(record: string, events: readonly Pending[]): void {
    this.left.delete(record);
    for (const one of events) this.add(one);
  }

  /** The first position that is not done; undefined where all are. */
  first(): number | undefined {
    const positions = [...this.left.values(), ...this.firsts().map(({ position }) => position)];
    return positions.length > 0 ? positions.reduce((a, b) => Math.min(a, b)) : undefined;
  }

  /** The endpoint is well again: whatever waits for its next attempt is tried now. */
  hurry(): void {
    const nextAt = new Date();
    for (const one of this.firsts()) if (one.nextAt > nextAt) one.nextAt = nextAt;
  }
}
