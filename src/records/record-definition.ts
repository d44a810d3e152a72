import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { ObjectName, Permission } from '../common/permissions';
import type { Json, RecordData, StoredRecord, UniqueValue } from './record';

/** A field of a record that names other records. */
export interface Reference<D extends RecordData = RecordData> {
  field: string;
  /** What it leads to. */
  object: string;
  ids(data: D): string[];
  /** The data with one id in the place of another; each id once. */
  replace(data: D, from: string, to: string): D;
}

/** What a record adds to a total. */
export interface Contribution {
  list: string;
  groups: readonly [string, string, string, string, string];
  amount: number;
}

/** An order of lists. */
export interface Order<D extends RecordData = RecordData> {
  /** The place of a record, as text whose byte order is the order. */
  key(data: D): string;
}

/** A part of an order: not before `from`, and before `to`. */
export interface Range {
  order: string;
  from?: string;
  to?: string;
}

/** A query parameter of the list of an object. */
export interface Filter<D extends RecordData = RecordData> {
  /** Checks a value and brings it into the spelling that `matches` and `scope` expect. */
  schema: z.ZodType<string>;
  description: string;
  /** Whether a record is in the list. */
  matches(record: StoredRecord<D>, value: string): boolean;
  /** The scope whose lists hold just these records; none where other records have to be looked at. */
  scope?(value: string): string | undefined;
  /** The part of an order that holds all of these records. */
  range?(value: string): Range | undefined;
  /** The unique value that is one record at most. */
  unique?(value: string): UniqueValue;
}

/**
 * Everything the record store knows of one kind of record. Lists, search, totals, references and
 * unique values follow from it; the database knows nothing of it.
 */
export interface RecordDefinition<D extends RecordData = RecordData> {
  /** As in its routes and in the database: `contacts`. */
  object: ObjectName | 'pipelines' | 'merges';
  /** Name of its schemas in the OpenAPI document: `Contact`. */
  title: string;
  /**
   * The fields a client can write, beside the common ones. Each has a default, or is optional and
   * then undefined for `prepare` of its service.
   */
  schema: z.ZodObject;
  /** The fields only the server writes, as they are answered. */
  output?: z.ZodObject;
  /** What an organization sets up, not what it works with: no owner, tags, custom or external ids. */
  bare?: boolean;
  /** Rules over several fields; each fault with the path of its field. */
  check?(data: D): { field: string; rule: string; message: string }[];
  /** What a person calls it: sorted by, searched for, shown in search results. */
  nameOf(data: D): string;
  /** A second line for search results. */
  subtitleOf?(data: D): string | null;
  uniques?(data: D): UniqueValue[];
  references?: Reference<D>[];
  /** Fields that name active users of the organization, beside the owner. */
  users?: string[];
  /** Who owns it; the owner alone unless told. */
  owners?(data: D): string[];
  /** Orders of its lists beside `created` and `name`: the place of a record. */
  orders?: Record<string, Order<D>>;
  /** Lists it is in, beside all, its owners', its tags' and its references'. */
  scopes?(data: D): string[];
  /**
   * The scope that serves several filters at once, by their names, and whose records alone it holds:
   * one who reaches only his own can be given that list.
   */
  jointScope?(
    values: Readonly<Partial<Record<string, string>>>,
  ): { scope: string; owner?: string } | undefined;
  /** What it may be a duplicate by, e.g. `phone:+49…`. */
  lookups?(data: D): string[];
  /** Texts it is found by; the words of its name unless told. */
  terms?(data: D): string[];
  totals?(data: D): Contribution[];
  filters?: Record<string, Filter<D>>;
  /** Whether it is about these records and nothing else: where they are erased, it goes with them. */
  isOnlyAbout?(data: D, ids: ReadonlySet<string>): boolean;
}

const definitions = new Map<string, RecordDefinition>();

/** Registers a kind of record, so that the sweeper, merges and commands can work on all of them. */
export function defineRecord<D extends RecordData>(
  definition: RecordDefinition<D>,
): RecordDefinition<D> {
  definitions.set(definition.object, definition);
  return definition;
}

export function allDefinitions(): RecordDefinition[] {
  return [...definitions.values()].sort((a, b) => (a.object < b.object ? -1 : 1));
}

export function definitionOf(object: string): RecordDefinition {
  const definition = definitions.get(object);
  if (!definition) throw new Error(`There is no kind of record "${object}"`);
  return definition;
}

export function permissionOn(
  { object }: RecordDefinition,
  action: 'read' | 'create' | 'update' | 'delete',
): Permission {
  if (object === 'merges') throw new Error('Merges are reached through their records');
  if (object !== 'pipelines') return `${object}:${action}`;
  return action === 'read' ? 'pipelines:read' : 'pipelines:manage';
}

export function ownersOf(definition: RecordDefinition, data: RecordData): string[] {
  if (definition.bare) return [];
  const owners = definition.owners?.(data) ?? [data.owner_id];
  return [...new Set(owners.filter((owner) => owner !== null))];
}

/** Longer values are told apart by their hash: they are part of a key. */
const UNIQUE_LENGTH = 200;

/** The unique form of a custom value: case makes no difference. */
export function customUnique(value: Json): string {
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).normalize('NFC');
  const folded = text.toLowerCase();
  if (folded.length <= UNIQUE_LENGTH) return folded;
  return createHash('sha256').update(folded).digest('hex');
}

/** The values that a record keeps from all others; `customKeys` are the unique custom fields. */
export function uniquesOf(
  definition: RecordDefinition,
  { state, data }: Pick<StoredRecord, 'state' | 'data'>,
  customKeys: readonly string[],
): UniqueValue[] {
  if (state !== 'live') return [];
  const custom = customKeys.flatMap((key) => {
    const value = data.custom[key];
    if (value === undefined || value === null) return [];
    return [{ field: `custom.${key}`, value: customUnique(value) }];
  });
  const external = Object.entries(data.external_ids).map(([source, value]) => ({
    field: `external:${source}`,
    value,
  }));
  return [...(definition.uniques?.(data) ?? []), ...external, ...custom];
}

/** Whether a record is live and has a unique value. */
export function hasUnique(
  definition: RecordDefinition,
  record: StoredRecord,
  { field, value }: UniqueValue,
): boolean {
  const key = field.startsWith('custom.') ? [field.slice('custom.'.length)] : [];
  return uniquesOf(definition, record, key).some(
    (unique) => unique.field === field && unique.value === value,
  );
}
