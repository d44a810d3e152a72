import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { v7 as timeOrderedId } from 'uuid';
import { decodeCursor, encodeCursor } from '../common/cursor';
import { AppError } from '../common/errors';
import { Page } from '../common/page';
import type { Principal } from '../common/principal';
import { currentRequest } from '../common/request-context';
import type { AppConfig } from '../config/app-config';
import type { AuditEntry, AuditEvent, AuditOutcome } from './audit-event';
import { AuditRepository, monthOf } from './audit.repository';

const LARGEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Entries live for 400 days: 14 months have them all. */
const MONTHS = 14;
/** Entries that are looked at for one page; a filter that finds little says so by a short page. */
const SCAN_LIMIT = 1000;

export interface AuditFilter {
  limit: number;
  cursor?: string;
  action?: string;
  actorId?: string;
  from?: Date;
  to?: Date;
}

/** The organization's book of who did what. */
@Injectable()
export class AuditService {
  private readonly cursorKey: KeyObject;

  constructor(
    private readonly entries: AuditRepository,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.cursorKey = config.get('cursorKey', { infer: true });
  }

  /**
   * Does the work, with its entry written first: a change is never without one. Without the entry
   * there is no change. What is known only when it is done, `work` adds to the details.
   */
  async around<T>(
    event: AuditEvent,
    work: (add: (details: Record<string, string>) => void) => Promise<T>,
  ): Promise<T> {
    const entry = newEntry(event, 'unknown');
    await this.entries.put(entry);
    try {
      const result = await work((details) => {
        entry.details = { ...entry.details, ...details };
      });
      await this.settle(entry, 'success');
      return result;
    } catch (error) {
      if (error instanceof AppError && error.status < 500) await this.settle(entry, 'refused');
      throw error;
    }
  }

  /**
   * Notes what changes nothing, in the background: a refusal must not take longer where there is
   * something to note about it.
   */
  note(event: AuditEvent, outcome: AuditOutcome = 'refused'): void {
    this.entries.put(newEntry(event, outcome)).catch((error: unknown) => {
      this.logger.error({ err: error, action: event.action }, 'audit entry lost');
    });
  }

  /** Entries, newest first. */
  async list(caller: Principal, filter: AuditFilter): Promise<Page<AuditEntry>> {
    const { organizationId } = caller;
    const { limit, cursor, action, actorId } = filter;
    const from = filter.from?.getTime() ?? 0;
    const to = filter.to?.getTime() ?? Date.now() + 60_000;
    const scope = JSON.stringify(['audit', organizationId, action, actorId, from, filter.to]);
    const months = lastMonths(new Date(Math.min(to, Date.now())));
    const start = cursor === undefined ? [] : decodeCursor(this.cursorKey, scope, cursor);
    let [month = months[0] ?? '', before = LARGEST_ID] = start;
    const found: AuditEntry[] = [];
    let scanned = 0;
    while (found.length <= limit && scanned < SCAN_LIMIT) {
      const entries = await this.entries.list(organizationId, month, before, limit + 1);
      scanned += Math.max(1, entries.length);
      found.push(
        ...entries.filter(
          (entry) =>
            (action === undefined || entry.action === action) &&
            (actorId === undefined || entry.actor?.userId === actorId) &&
            entry.at.getTime() >= from &&
            entry.at.getTime() < to,
        ),
      );
      const last = entries.at(-1);
      if (last && entries.length > limit) {
        before = last.id;
        continue;
      }
      const next = months[months.indexOf(month) + 1];
      if (next === undefined || next < monthOf(new Date(from))) {
        month = '';
        break;
      }
      month = next;
      before = LARGEST_ID;
    }
    const items = found.slice(0, limit);
    const last = items.at(-1);
    let position: [string, string] | undefined;
    if (found.length > limit && last) position = [monthOf(last.at), last.id];
    else if (month !== '') position = [month, before];
    return new Page(items, limit, position ? encodeCursor(this.cursorKey, scope, position) : null);
  }

  private async settle(entry: AuditEntry, outcome: AuditOutcome): Promise<void> {
    try {
      await this.entries.put({ ...entry, outcome });
    } catch (error) {
      // The change is done, or refused, and must be answered so; the entry goes on saying "unknown".
      this.logger.error({ err: error, action: entry.action }, 'outcome of an audit entry lost');
    }
  }
}

function newEntry(event: AuditEvent, outcome: AuditOutcome): AuditEntry {
  const { ip = null, requestId = null } = currentRequest() ?? {};
  return { ...event, id: timeOrderedId(), at: new Date(), outcome, ip, requestId };
}

function lastMonths(until: Date): string[] {
  return Array.from({ length: MONTHS }, (_, index) =>
    monthOf(new Date(Date.UTC(until.getUTCFullYear(), until.getUTCMonth() - index, 1))),
  );
}
