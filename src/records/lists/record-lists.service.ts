import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { decodeCursor, encodeCursor } from '../../common/cursor';
import { Page } from '../../common/page';
import type { Principal } from '../../common/principal';
import type { AppConfig } from '../../config/app-config';
import { FieldsService } from '../../fields/fields.service';
import { ClaimsService } from '../writing/claims.service';
import { scopesOf } from '../derive';
import {
  cursorScope,
  deletedWalk,
  HIGHEST,
  lookupsOf,
  matcher,
  orderWalk,
  type Walk,
} from './list-plan';
import { ListWalker } from './list-walker.service';
import { TermWalks } from './term-walks.service';
import { type Condition, type ListQuery, parseListQuery } from './list-query';
import { matchesTerms } from '../matching';
import type { StoredRecord } from '../record';
import { canRead } from '../record-access';
import type { RecordDefinition } from '../record-definition';
import type { ListPosition } from '../store/list-order';
import { listName } from '../scopes';
import { queryTerms } from '../text';

/** Reads lists: by sort, filter and search, in pages that cost the same everywhere. */
@Injectable()
export class RecordLists {
  private readonly cursorKey: KeyObject;

  constructor(
    private readonly walker: ListWalker,
    private readonly terms: TermWalks,
    private readonly claims: ClaimsService,
    private readonly fields: FieldsService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.cursorKey = config.get('cursorKey', { infer: true });
  }

  /**
   * One page of the records that the caller may see.
   * @throws AppError VALIDATION_FAILED, INVALID_CURSOR
   */
  async list(
    caller: Principal,
    definition: RecordDefinition,
    parameters: Record<string, unknown>,
  ): Promise<Page<StoredRecord>> {
    const { organizationId } = caller;
    const fields = await this.fields.of(organizationId, definition.object);
    const query = parseListQuery(definition, fields, parameters);
    const scope = cursorScope(caller, definition, query);
    const after =
      query.cursor === undefined ? undefined : decodeCursor(this.cursorKey, scope, query.cursor);
    const one = query.conditions.find(({ filter }) => 'unique' in filter);
    if (one && !query.deleted) {
      const found = await this.findUnique(caller, definition, query, one);
      return new Page(found ? [found] : [], query.limit, null);
    }
    const walk = query.deleted
      ? deletedWalk(caller, definition, query)
      : query.q === undefined
        ? orderWalk(caller, definition, query, fields)
        : await this.terms.of(caller, definition, query.q, matcher(caller, definition, query));
    if (!walk) return new Page([], query.limit, null);
    const [sortKey, id] = after ?? [];
    if (sortKey !== undefined && id !== undefined) walk.from = { sortKey, id };
    const { found, next } = await this.walker.walk(
      caller.organizationId,
      definition.object,
      walk,
      query.limit,
    );
    const cursor = next && encodeCursor(this.cursorKey, scope, [next.sortKey, next.id]);
    return new Page(found, query.limit, cursor ?? null);
  }

  /**
   * Records that stand in one scope, newest first; for what is linked to a record. There may be less
   * than were asked for, and more behind `next`.
   */
  async inScope(
    caller: Principal,
    definition: RecordDefinition,
    scope: string,
    from: ListPosition | undefined,
    size: number,
  ): Promise<{ found: StoredRecord[]; next: ListPosition | null }> {
    const fields = await this.fields.of(caller.organizationId, definition.object);
    const walk: Walk = {
      list: listName('created', scope),
      from: from ?? { sortKey: HIGHEST, id: HIGHEST },
      endKey: '',
      descending: true,
      stands: (record, row) =>
        record.state === 'live' &&
        row.sortKey === record.createdAt.toISOString() &&
        (scopesOf(definition, record, fields).includes(scope) ||
          lookupsOf(definition, record).includes(scope)),
      matches: (record) => canRead(caller, definition, record),
    };
    return this.walker.walk(caller.organizationId, definition.object, walk, size);
  }

  /** Live records that may be the same as this one: alike in one of the ways its kind declares. */
  async duplicates(
    caller: Principal,
    definition: RecordDefinition,
    record: StoredRecord,
    size: number,
  ): Promise<{ record: StoredRecord; by: string[] }[]> {
    const scopes = lookupsOf(definition, record);
    const found = await Promise.all(
      scopes.map((scope) => this.inScope(caller, definition, scope, undefined, size + 1)),
    );
    const by = new Map<string, { record: StoredRecord; by: string[] }>();
    for (const other of found.flatMap((one) => one.found)) {
      if (other.id === record.id || by.has(other.id)) continue;
      const shared = lookupsOf(definition, other).filter((scope) => scopes.includes(scope));
      by.set(other.id, { record: other, by: shared.map((scope) => scope.split(':')[1] ?? '') });
    }
    const all = [...by.values()].sort((a, b) => b.by.length - a.by.length);
    return all.slice(0, size);
  }

  private async findUnique(
    caller: Principal,
    definition: RecordDefinition,
    query: ListQuery,
    { filter, value }: Condition,
  ): Promise<StoredRecord | undefined> {
    const unique = filter.unique?.(value);
    const record = unique && (await this.claims.owner(definition, caller.organizationId, unique));
    if (!record || !canRead(caller, definition, record)) return undefined;
    const matches = matcher(caller, definition, query);
    const found = query.q === undefined || matchesTerms(definition, record, queryTerms(query.q));
    return matches(record) && found ? record : undefined;
  }
}
