import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { decodeCursor, encodeCursor } from '../common/cursor';
import { AppError } from '../common/errors';
import { Page } from '../common/page';
import type { Principal } from '../common/principal';
import { withOwnDeadline } from '../common/request-context';
import { type AppConfig, deriveKeys, type Keys } from '../config/app-config';
import { type Change, CHANGE_OBJECTS, type ChangeObject } from './change';
import { ChangeLog } from './change-log.service';
import { ChangeReader } from './change-reader.service';
import { ChangeWaiters } from './change-waiters.service';

/** Pointers that are looked at for one page; a filter that finds little says so by a short page. */
const SCAN_LIMIT = 1000;

export interface ChangesQuery {
  cursor?: string;
  /** Only a cursor at the head. */
  fromNow: boolean;
  objects: readonly ChangeObject[];
  limit: number;
  /** How long to wait for a change where there is none. */
  waitMs: number;
}

/** Every committed change of an organization, in the order of its log. */
@Injectable()
export class ChangesService {
  private readonly keys: Keys;
  private readonly requestMs: number;

  constructor(
    private readonly log: ChangeLog,
    private readonly reader: ChangeReader,
    private readonly waiters: ChangeWaiters,
    config: ConfigService<AppConfig, true>,
  ) {
    // A cursor outlives a change of keys: whoever holds one may have been away for days.
    this.keys = deriveKeys(config.get('auth', { infer: true }), 'change cursor');
    this.requestMs = config.get('http', { infer: true }).requestTimeoutMs;
  }

  /**
   * The changes from a cursor on, with the cursor to go on from: always, also where there is nothing.
   * @throws AppError INVALID_CURSOR, CURSOR_EXPIRED; RATE_LIMITED where too many wait
   */
  list(caller: Principal, query: ChangesQuery, gone: AbortSignal): Promise<Page<Change>> {
    // The time of waiting comes on top of that of the work.
    return withOwnDeadline(query.waitMs + this.requestMs, async () => {
      const { organizationId } = caller;
      const until = Date.now() + query.waitMs;
      let position = await this.start(organizationId, query);
      let items: Change[] = [];
      for (let waited = true; waited && items.length === 0 && !query.fromNow;) {
        const found = await this.readFrom(organizationId, position, query);
        ({ items, position } = found);
        waited =
          items.length === 0 &&
          found.isAtHead &&
          (await this.waiters.wait(organizationId, position, until - Date.now(), gone));
      }
      const cursor = encodeCursor(this.keys[0], scopeOf(organizationId), [String(position)]);
      return new Page(items, query.limit, cursor);
    });
  }

  private async start(organizationId: string, { cursor, fromNow }: ChangesQuery): Promise<number> {
    if (fromNow) return this.log.head(organizationId);
    if (cursor === undefined) return this.log.oldest(organizationId);
    for (const [index, key] of this.keys.entries()) {
      try {
        return Number(decodeCursor(key, scopeOf(organizationId), cursor)[0]);
      } catch (error) {
        if (index === this.keys.length - 1) throw error;
      }
    }
    throw new AppError('INVALID_CURSOR');
  }

  private async readFrom(
    organizationId: string,
    from: number,
    { objects, limit }: Pick<ChangesQuery, 'objects' | 'limit'>,
  ): Promise<{ items: Change[]; position: number; isAtHead: boolean }> {
    const items: Change[] = [];
    let position = from;
    while (items.length < limit && position - from < SCAN_LIMIT) {
      const room = limit - items.length;
      const size = objects.length < CHANGE_OBJECTS.length ? SCAN_LIMIT : room;
      const pointers = await this.log.read(organizationId, position, size);
      if (pointers === undefined) throw new AppError('CURSOR_EXPIRED');
      if (pointers.length === 0) return { items, position, isAtHead: true };
      const wanted = pointers
        .filter(({ object }) => (objects as readonly string[]).includes(object))
        .slice(0, room);
      items.push(...(await this.reader.withEvents(organizationId, wanted)));
      // Those behind the last one that there was room for are for the next page.
      const last = (wanted.length < room ? pointers : wanted).at(-1);
      position = (last?.position ?? position) + 1;
    }
    return { items, position, isAtHead: false };
  }
}

/** Of no filter: who follows the log may change it. */
function scopeOf(organizationId: string): string {
  return JSON.stringify(['changes', organizationId]);
}
