import { Injectable } from '@nestjs/common';
import type { PlacedPointer, Pointer } from './change';
import { APPEND_SIZE, ChangesRepository, CHUNK_SIZE, chunkOf, KEPT_MS } from './changes.repository';

/** Organizations whose last chunk is remembered. */
const REMEMBERED = 10_000;

/** The log of changes of an organization: positions without gaps, each taken once. */
@Injectable()
export class ChangeLog {
  /** A chunk that is there, by organization: the head is in it or behind it. */
  private readonly chunks = new Map<string, number>();

  constructor(private readonly changes: ChangesRepository) {}

  /** The first free position. `serial` also sees an append nobody has been told of yet. */
  async head(organizationId: string, serial = false): Promise<number> {
    for (let chunk = await this.lastKnownChunk(organizationId); ; chunk++) {
      const end = await this.changes.chunkEnd(organizationId, chunk, serial);
      if (end === undefined) return chunk * CHUNK_SIZE;
      this.remember(organizationId, chunk);
      if (end.head < (chunk + 1) * CHUNK_SIZE) return end.head;
    }
  }

  /**
   * Appends as many of the pointers as one write takes, from `head` on.
   * @returns the new head, or undefined when it has moved
   */
  async append(
    organizationId: string,
    head: number,
    pointers: readonly Pointer[],
  ): Promise<number | undefined> {
    const size = Math.min(APPEND_SIZE, (chunkOf(head) + 1) * CHUNK_SIZE - head);
    const some = pointers.slice(0, size);
    const isDone = await this.changes.append(organizationId, head, some);
    return isDone ? head + some.length : undefined;
  }

  /** What the last append before a head has put there, and maybe some before. */
  async lastAppended(organizationId: string, head: number): Promise<PlacedPointer[]> {
    if (head === 0) return [];
    // No append goes over the end of a chunk.
    const from = Math.max(chunkOf(head - 1) * CHUNK_SIZE, head - APPEND_SIZE);
    return this.changes.list(organizationId, from, APPEND_SIZE);
  }

  /**
   * What stands from a position on, at most `size`: less at the end of a chunk, none at the head.
   * undefined: the position is no longer kept.
   */
  async read(
    organizationId: string,
    position: number,
    size: number,
  ): Promise<PlacedPointer[] | undefined> {
    const pointers = await this.changes.list(organizationId, position, size);
    const [first] = pointers;
    if (first) return first.position === position ? pointers : undefined;
    if (position >= (await this.head(organizationId))) return [];
    // Either it came between the two looks, or it has gone.
    const again = await this.changes.list(organizationId, position, size);
    return again[0]?.position === position ? again : undefined;
  }

  /** The oldest position that is kept; the head where none is. */
  async oldest(organizationId: string): Promise<number> {
    const head = await this.head(organizationId);
    if (head === 0 || (await this.isKept(organizationId, 0))) return 0;
    const keptSince = Date.now() - KEPT_MS;
    const chunk = await firstWhere(0, chunkOf(head), async (one) => {
      const end = await this.changes.chunkEnd(organizationId, one);
      return end === undefined || end.appendedAt.getTime() > keptSince;
    });
    const end = Math.min((chunk + 1) * CHUNK_SIZE, head);
    return firstWhere(chunk * CHUNK_SIZE, end, (one) => this.isKept(organizationId, one));
  }

  /** The last chunk that was ever written to; 0 where none was. */
  async lastChunk(organizationId: string): Promise<number> {
    const head = await this.head(organizationId, true);
    return head === 0 ? 0 : chunkOf(head - 1);
  }

  private async isKept(organizationId: string, position: number): Promise<boolean> {
    const [first] = await this.changes.list(organizationId, position, 1);
    return first?.position === position;
  }

  /** Some chunk that is there, the last one if it has just been looked for; 0 where none is. */
  private async lastKnownChunk(organizationId: string): Promise<number> {
    const known = this.chunks.get(organizationId);
    if (known !== undefined) return known;
    const isThere = async (chunk: number) =>
      (await this.changes.chunkEnd(organizationId, chunk)) !== undefined;
    let chunk = 0;
    let step = 1;
    for (; await isThere(chunk + step); step *= 2) chunk += step;
    for (step = Math.floor(step / 2); step >= 1; step = Math.floor(step / 2)) {
      if (await isThere(chunk + step)) chunk += step;
    }
    return chunk;
  }

  private remember(organizationId: string, chunk: number): void {
    if (this.chunks.size >= REMEMBERED) this.chunks.clear();
    this.chunks.set(organizationId, chunk);
  }
}

/** The first number from `low` on for which it is true, of those that it is true for from then on. */
async function firstWhere(
  low: number,
  high: number,
  isTrue: (value: number) => Promise<boolean>,
): Promise<number> {
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isTrue(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
