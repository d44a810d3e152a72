import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { decodeCursor, encodeCursor } from '../../common/cursor';
import { Page } from '../../common/page';
import type { Principal } from '../../common/principal';
import type { AppConfig } from '../../config/app-config';
import { referenceScope } from '../scopes';
import type { ChangeEvent, StoredRecord } from '../record';
import { reachOf } from '../record-access';
import { definitionOf } from '../record-definition';
import { RecordLists } from './record-lists.service';
import { RecordsRepository } from '../store/records.repository';

/** Above every id. */
const HIGHEST = '\u{10FFFF}';

/** One thing that happened to or around a record. */
export type TimelineEntry =
  | { type: 'change'; at: Date; recordId: string; event: ChangeEvent }
  | { type: 'activity'; at: Date; activity: StoredRecord };

/** The story of a record: its changes, those of the records merged into it, and its activities. */
@Injectable()
export class RecordTimeline {
  private readonly cursorKey: KeyObject;

  constructor(
    private readonly records: RecordsRepository,
    private readonly lists: RecordLists,
    config: ConfigService<AppConfig, true>,
  ) {
    this.cursorKey = config.get('cursorKey', { infer: true });
  }

  /** A page, newest first. @throws AppError INVALID_CURSOR */
  async page(
    caller: Principal,
    record: StoredRecord,
    { limit, cursor }: { limit: number; cursor?: string },
  ): Promise<Page<TimelineEntry>> {
    const scope = JSON.stringify(['timeline', record.organizationId, record.object, record.id]);
    const [at, type, id] = cursor === undefined ? [] : decodeCursor(this.cursorKey, scope, cursor);
    const after = at === undefined ? undefined : { at: new Date(at), type, id: id ?? '' };
    const [changes, activities] = await Promise.all([
      this.changes(record, after?.at, limit + 2),
      this.activities(caller, record, after, limit + 1),
    ]);
    const { cut } = activities;
    const entries = [...changes, ...activities.entries]
      .filter((entry) => after === undefined || comparePlaces(placeOf(entry), after) > 0)
      // Behind it there may be activities that come before these.
      .filter((entry) => cut === undefined || comparePlaces(placeOf(entry), cut) <= 0)
      .sort((a, b) => comparePlaces(placeOf(a), placeOf(b)));
    const items = entries.slice(0, limit);
    const last = items.at(-1);
    const more = entries.length > limit && last ? placeOf(last) : cut;
    const position = more && [more.at.toISOString(), more.type ?? '', more.id];
    return new Page(items, limit, position ? encodeCursor(this.cursorKey, scope, position) : null);
  }

  /** A page of the versions of a record, newest first. @throws AppError INVALID_CURSOR */
  async history(
    record: StoredRecord,
    { limit, cursor }: { limit: number; cursor?: string },
  ): Promise<Page<ChangeEvent>> {
    const scope = JSON.stringify(['history', record.organizationId, record.object, record.id]);
    const [at] = cursor === undefined ? [] : decodeCursor(this.cursorKey, scope, cursor);
    const before = at === undefined ? new Date(8.64e15) : new Date(at);
    const events = await this.records.listEvents(record, before, limit + 1);
    const items = events.slice(0, limit);
    const last = events.length > limit ? items.at(-1) : undefined;
    const next = last ? encodeCursor(this.cursorKey, scope, [last.at.toISOString()]) : null;
    return new Page(items, limit, next);
  }

  private async changes(
    { organizationId, object, id, data }: StoredRecord,
    at: Date | undefined,
    size: number,
  ): Promise<TimelineEntry[]> {
    // Records that were merged may each have a change of the same moment as the last one.
    const before = at === undefined ? new Date(8.64e15) : new Date(at.getTime() + 1);
    const found = await Promise.all(
      [id, ...(data.merged_ids ?? [])].map(async (recordId) => {
        const key = { organizationId, object, id: recordId };
        const events = await this.records.listEvents(key, before, size);
        return events.map((event): TimelineEntry => {
          return { type: 'change', at: event.at, recordId, event };
        });
      }),
    );
    return found.flat();
  }

  private async activities(
    caller: Principal,
    { object, id }: StoredRecord,
    last: Place | undefined,
    size: number,
  ): Promise<{ entries: TimelineEntry[]; cut?: Place }> {
    const activities = definitionOf('activities');
    if (reachOf(caller, activities, 'read') === 'none') return { entries: [] };
    const from = last && {
      sortKey: last.at.toISOString(),
      id: last.type === 'activity' ? last.id : HIGHEST,
    };
    const scope = referenceScope(object, id);
    const { found, next } = await this.lists.inScope(caller, activities, scope, from, size);
    return {
      entries: found.map((activity) => ({ type: 'activity', at: activity.createdAt, activity })),
      ...(next ? { cut: { at: new Date(next.sortKey), type: 'activity', id: next.id } } : {}),
    };
  }
}

/** Where an entry stands: by time, then changes before activities, then by id. */
interface Place {
  at: Date;
  type: string | undefined;
  id: string;
}

function placeOf(entry: TimelineEntry): Place & { type: string } {
  const id = entry.type === 'activity' ? entry.activity.id : entry.recordId;
  return { at: entry.at, type: entry.type, id };
}

/** Newest first. */
function comparePlaces(a: Place, b: Place): number {
  const byTime = b.at.getTime() - a.at.getTime();
  if (byTime !== 0) return byTime;
  if (a.type !== b.type) return a.type === 'change' ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? 1 : -1;
}
