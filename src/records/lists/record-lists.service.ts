import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { decodeCursor, encodeCursor } from '../../common/cursor';
import { Page } from '../../common/page';
import type { Principal } from '../../common/principal';
import type { AppConfig } from '../../config/app-config';
import { FieldsService } from '../../fields/fields.service';
import { ClaimsService } from '../writing/claims.service';
import { recordTerms, scopesOf } from '../derive';
import {
  cursorScope,
  deletedWalk,
  HIGHEST,
  lookupsOf,
  matcher,
  orderWalk,
  type Walk,
} from './list-plan';
import { type Condition, type ListQuery, parseListQuery } from './list-query';
import { matchesTerms } from '../matching';
import type { StoredRecord } from '../record';
import { canRead, reachOf } from '../record-access';
import type { RecordDefinition } from '../record-definition';
import {
  compareText,
  DerivedRowsRepository,
  type ListedRow,
  type ListPosition,
} from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';
import { RecordsRepository } from '../store/records.repository';
import { ALL, listName, ownerScope, termList } from '../scopes';
import { fold, queryTerms, TERM_PREFIX_LENGTH, textSortKey } from '../text';

/** Rows that are looked at for one page; a page that ends here is short, and has a next one. */
const SCAN_LIMIT = 1000;
const ROWS_AT_ONCE = 200;
/** Rows of a term that are looked at to tell which of several words is the rarest. */
const RARITY_PROBE = 200;

/** Reads lists: by sort, filter and search, in pages that cost the same everywhere. */
@Injectable()
export class RecordLists {
  private readonly cursorKey: Buffer;

  constructor(
    private readonly records: RecordsRepository,
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
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
        : await this.walkTerm(caller, definition, query, query.q);
    if (!walk) return new Page([], query.limit, null);
    const [sortKey, id] = after ?? [];
    if (sortKey !== undefined && id !== undefined) walk.from = { sortKey, id };
    const { found, next } = await this.walk(caller, definition, walk, query.limit);
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
    return this.walk(caller, definition, walk, size);
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

  /**
   * Records whose words begin with all words of `q`, in alphabetical order: at most `size`, and where
   * there are many, perhaps only half of them. `more` tells whether there may be others. Words that are
   * all too short to be looked up find the records whose name begins with `q`.
   */
  async search(
    caller: Principal,
    definition: RecordDefinition,
    q: string,
    size: number,
  ): Promise<{ found: StoredRecord[]; more: boolean }> {
    const query = { limit: size, order: 'name', descending: false, conditions: [], deleted: false };
    const walk = await this.walkTerm(caller, definition, query, q);
    if (!walk) {
      const found = await this.byName(caller, definition, q, HIGHEST, size);
      return { found, more: found.length === size };
    }
    const { found, next } = await this.walk(caller, definition, walk, size, Math.ceil(size / 2));
    return { found, more: next !== null };
  }

  /** Records of a name, in any case and without accents. */
  named(
    caller: Principal,
    definition: RecordDefinition,
    name: string,
    size: number,
  ): Promise<StoredRecord[]> {
    // Nothing stands between a text and the same text with the lowest of all characters.
    return this.byName(caller, definition, name, '\u0000', size);
  }

  /** Records whose name is `beginning` and then anything below `end`, in alphabetical order. */
  private async byName(
    caller: Principal,
    definition: RecordDefinition,
    beginning: string,
    end: string,
    size: number,
  ): Promise<StoredRecord[]> {
    const key = textSortKey(beginning);
    if (key === '') return [];
    const isOwn = reachOf(caller, definition, 'read') !== 'all';
    const walk: Walk = {
      list: listName('name', isOwn ? ownerScope(caller.userId) : ALL),
      from: { sortKey: key, id: '' },
      endKey: `${key}${end}`,
      descending: false,
      stands: (record, row) =>
        record.state === 'live' && textSortKey(definition.nameOf(record.data)) === row.sortKey,
      matches: (record) =>
        canRead(caller, definition, record) &&
        fold(definition.nameOf(record.data)).startsWith(fold(beginning)),
    };
    return (await this.walk(caller, definition, walk, size)).found;
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

  /** Walks the matches of the rarest word, and looks for the others in the records. */
  private async walkTerm(
    caller: Principal,
    definition: RecordDefinition,
    query: ListQuery,
    q: string,
  ): Promise<Walk | undefined> {
    const terms = queryTerms(q);
    const reach = reachOf(caller, definition, 'read');
    const scope = reach === 'all' ? ALL : ownerScope(caller.userId);
    const long = terms.filter((term) => term.length >= TERM_PREFIX_LENGTH);
    const rarest = await this.rarest(caller, definition, long, scope);
    if (rarest === undefined) return undefined;
    const inAlphabet = matcher(caller, definition, query);
    return {
      list: termList(rarest, scope),
      from: { sortKey: rarest, id: '' },
      endKey: rarest + HIGHEST,
      descending: false,
      // A record stands under each of its words that begin so; it counts under the first of them.
      stands: (record, row) =>
        record.state === 'live' &&
        recordTerms(definition, record)
          .filter((term) => term.startsWith(rarest))
          .sort(compareText)[0] === row.sortKey,
      matches: (record) => matchesTerms(definition, record, terms) && inAlphabet(record),
    };
  }

  private async rarest(
    caller: Principal,
    { object }: RecordDefinition,
    terms: readonly string[],
    scope: string,
  ): Promise<string | undefined> {
    const [only, ...others] = terms;
    if (others.length === 0) return only;
    const { organizationId } = caller;
    const counts = await Promise.all(
      terms.map(async (term) => {
        const from = { sortKey: term, id: '' };
        const range = { from, endKey: term + HIGHEST, descending: false };
        const partition = { organizationId, object, list: termList(term, scope) };
        const rows = await this.layouts.reading(organizationId, object, (buckets) =>
          this.derived.list(partition, buckets, range, RARITY_PROBE),
        );
        return rows.length;
      }),
    );
    return terms[counts.indexOf(Math.min(...counts))];
  }

  /**
   * The next records of a walk, and where to go on; null at its end.
   * @param enough as soon as there are so many, no more rows are read
   */
  private async walk(
    { organizationId }: Principal,
    definition: RecordDefinition,
    walk: Walk,
    limit: number,
    enough = limit + 1,
  ): Promise<{ found: StoredRecord[]; next: ListPosition | null }> {
    const { object } = definition;
    const found: { record: StoredRecord; row: ListedRow }[] = [];
    let from = walk.from;
    for (let scanned = 0; ;) {
      const size = Math.min(Math.max(ROWS_AT_ONCE, limit + 1), limit + 1 + scanned);
      const partition = { organizationId, object, list: walk.list };
      const range = { ...walk, from };
      const rows = await this.layouts.reading(organizationId, object, (buckets) =>
        this.derived.list(partition, buckets, range, size),
      );
      const ids = rows.map(({ id }) => id);
      const records = await this.records.findMany(organizationId, object, ids);
      for (const row of rows) {
        const record = records.get(row.id);
        if (record && walk.stands(record, row) && walk.matches(record)) found.push({ record, row });
      }
      scanned += rows.length;
      const last = rows.at(-1);
      if (found.length > limit) {
        const next = found[limit - 1]?.row ?? null;
        return { found: found.slice(0, limit).map(({ record }) => record), next };
      }
      const all = found.map(({ record }) => record);
      if (!last || rows.length < size) return { found: all, next: null };
      if (found.length >= enough || scanned >= SCAN_LIMIT) return { found: all, next: last };
      from = last;
    }
  }
}
