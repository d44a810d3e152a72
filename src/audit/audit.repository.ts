import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { timeOfId } from '../common/time-ordered-id';
import type { AuditAction, AuditEntry, AuditOutcome } from './audit-event';

interface AuditRow {
  organization_id: string;
  id: { toString(): string };
  action: AuditAction;
  outcome: AuditOutcome;
  actor_id: { toString(): string } | null;
  api_key_id: { toString(): string } | null;
  target_id: string | null;
  details: string | null;
  ip: string | null;
  request_id: string | null;
}

const COLUMNS = `organization_id, month, id, action, outcome, actor_id, api_key_id, target_id, details,
  ip, request_id`;

const insert = defineQuery(
  'audit.insert',
  `INSERT INTO audit (${COLUMNS})
   VALUES (:organization_id, :month, :id, :action, :outcome, :actor_id, :api_key_id, :target_id,
     :details, :ip, :request_id)`,
);
const list = defineQuery<AuditRow>(
  'audit.list',
  `SELECT ${COLUMNS} FROM audit
   WHERE organization_id = :organization_id AND month = :month AND id < :before LIMIT :size`,
);

/** The partition of a point in time, e.g. `2026-01`. */
export function monthOf(time: Date): string {
  return time.toISOString().slice(0, 7);
}

@Injectable()
export class AuditRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Writes an entry, or writes it again with its outcome. */
  async put(entry: AuditEntry): Promise<void> {
    await this.cassandra.run(insert, {
      organization_id: entry.organizationId,
      month: monthOf(entry.at),
      id: entry.id,
      action: entry.action,
      outcome: entry.outcome,
      actor_id: entry.actor?.userId,
      api_key_id: entry.actor?.apiKeyId,
      target_id: entry.targetId,
      details: entry.details && JSON.stringify(entry.details),
      ip: entry.ip,
      request_id: entry.requestId,
    });
  }

  /** The latest entries of a month before an id, newest first. */
  async list(
    organizationId: string,
    month: string,
    before: string,
    size: number,
  ): Promise<AuditEntry[]> {
    const params = { organization_id: organizationId, month, before };
    const rows = await this.cassandra.page(list, params, size);
    return rows.map((row) => ({
      organizationId: row.organization_id,
      id: row.id.toString(),
      at: new Date(timeOfId(row.id.toString())),
      action: row.action,
      outcome: row.outcome,
      actor: row.actor_id
        ? { userId: row.actor_id.toString(), apiKeyId: row.api_key_id?.toString() }
        : undefined,
      targetId: row.target_id ?? undefined,
      details: row.details ? (JSON.parse(row.details) as Record<string, string>) : undefined,
      ip: row.ip,
      requestId: row.request_id,
    }));
  }
}
