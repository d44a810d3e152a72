/** What a record may hold: JSON, and nothing else. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The fields every record has, whatever its object. */
export interface CommonData {
  owner_id: string | null;
  tags: string[];
  custom: Record<string, Json>;
  /** By source: what the record is called in another system. */
  external_ids: Record<string, string>;
  /** The records that were merged into this one. */
  merged_ids?: string[];
  /** Merges that were taken back, on both sides: a late repeat must not do them again. */
  unmerged?: string[];
  /** Of a purged record all that is left: in whose list of deleted records it may still stand. */
  purged_owners?: string[];
}

export type RecordData = CommonData & Record<string, unknown>;

/**
 * `merged`: its data lives on in another record. `purged`: its data is gone for good.
 * `fenced` was never a record.
 */
export type RecordState = 'live' | 'deleted' | 'merged' | 'purged' | 'fenced';

/** A record as it is stored. */
export interface StoredRecord<D extends RecordData = RecordData> {
  organizationId: string;
  object: string;
  id: string;
  state: RecordState;
  /** 1 for a new record, one more with every change. */
  version: number;
  /** The mark of the last write. */
  operationId: string;
  data: D;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
  updatedBy: string;
  deletedAt: Date | null;
}

export const EVENT_KINDS = [
  'created',
  'updated',
  'deleted',
  'restored',
  'merged',
  'merged_into',
  'unmerged',
  'repointed',
  'purged',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What became of one field, from which value to which. */
export type Changes = Record<string, { from?: unknown; to?: unknown }>;

/** One version of a record: who made it, when, and what was different. */
export interface ChangeEvent {
  at: Date;
  version: number;
  kind: EventKind;
  operationId: string;
  actorId: string;
  apiKeyId: string | null;
  changes: Changes;
}

/** The state and the data a write leads to. */
export interface Draft<D extends RecordData = RecordData> {
  state: 'live' | 'deleted' | 'merged' | 'purged';
  data: D;
  kind: EventKind;
}

/** Who makes a change: a person, or a program in his name. */
export interface Actor {
  userId: string;
  apiKeyId?: string;
}

/** A value that only one live record of an object may have. */
export interface UniqueValue {
  /** E.g. `email`, `external:hubspot`, `custom.vat_id`. */
  field: string;
  value: string;
}

export function changesBetween(before: object | undefined, after: object): Changes {
  const from = (before ?? {}) as Record<string, unknown>;
  const to = after as Record<string, unknown>;
  const changes: Changes = {};
  for (const field of new Set([...Object.keys(from), ...Object.keys(to)])) {
    if (JSON.stringify(from[field]) === JSON.stringify(to[field])) continue;
    changes[field] = { from: from[field], to: to[field] };
  }
  return changes;
}

/** The data of a version, from that of the next one and what the next one changed. */
export function undoChanges(data: RecordData, changes: Changes): RecordData {
  const before: Record<string, unknown> = { ...data };
  for (const [field, { from }] of Object.entries(changes)) {
    if (from === undefined) Reflect.deleteProperty(before, field);
    else before[field] = from;
  }
  return before as RecordData;
}
