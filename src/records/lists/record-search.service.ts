import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal';
import type { StoredRecord } from '../record';
import { canRead, readScope } from '../record-access';
import type { RecordDefinition } from '../record-definition';
import { listName } from '../scopes';
import type { ListedRow } from '../store/list-order';
import { fold, textSortKey } from '../text';
import { HIGHEST, type Walk } from './list-plan';
import { ListWalker, ROWS_AT_ONCE, SCAN_LIMIT } from './list-walker.service';
import { TermWalks } from './term-walks.service';

/**
 * The records of one kind that a search finds, in alphabetical order of the word they are found by. Rows
 * are cheap, and are there at once; records are read as far as they are wanted.
 */
export class SearchMatches {
  readonly found: StoredRecord[] = [];
  /** Rows whose records have been read. */
  looked = 0;
  private last: ListedRow | undefined;

  constructor(
    readonly definition: RecordDefinition,
    private readonly unread: ListedRow[],
    private isWhole: boolean,
    private readonly matchesOf: (rows: readonly ListedRow[]) => Promise<StoredRecord[]>,
    private readonly rowsAfter: (row: ListedRow, size: number) => Promise<ListedRow[]>,
  ) {}

  /** Whether there may be others. */
  get more(): boolean {
    return this.unread.length > 0 || (!this.isWhole && this.looked < SCAN_LIMIT);
  }

  /** The sort key of the next row, or one before it. */
  get nextKey(): string {
    return (this.unread[0] ?? this.last)?.sortKey ?? '';
  }

  /** The sort keys of the next rows, as far as they are known. */
  get keys(): string[] {
    return this.unread.map(({ sortKey }) => sortKey);
  }

  /** Reads the records of the next rows. */
  async read(count: number): Promise<void> {
    await this.prepare(count);
    const rows = this.unread.splice(0, count);
    this.looked += rows.length;
    this.last = rows.at(-1) ?? this.last;
    this.found.push(...(await this.matchesOf(rows)));
  }

  private async prepare(count: number): Promise<void> {
    const from = this.unread.at(-1) ?? this.last;
    if (!from || this.isWhole || this.unread.length >= count) return;
    const size = Math.min(ROWS_AT_ONCE, Math.max(count, this.looked));
    const rows = await this.rowsAfter(from, size);
    this.isWhole = rows.length < size;
    this.unread.push(...rows);
  }
}

/** Finds records of one kind by what a person types. */
@Injectable()
export class RecordSearch {
  constructor(
    private readonly walker: ListWalker,
    private readonly terms: TermWalks,
  ) {}

  /**
   * Records whose words begin with all words of `q`. Words that are all too short to be looked up find the
   * records whose name begins with `q`.
   * @param size rows that are read at first
   */
  async matches(
    caller: Principal,
    definition: RecordDefinition,
    q: string,
    size: number,
  ): Promise<SearchMatches> {
    const mayRead = (record: StoredRecord) => canRead(caller, definition, record);
    const walk =
      (await this.terms.of(caller, definition, q, mayRead)) ??
      nameWalk(caller, definition, q, HIGHEST);
    const { organizationId } = caller;
    const { object } = definition;
    const rowsAfter = (from: Walk['from'], count: number) =>
      this.walker.rows(organizationId, object, walk, from, count);
    const rows = walk.from.sortKey === '' ? [] : await rowsAfter(walk.from, size);
    return new SearchMatches(
      definition,
      rows,
      rows.length < size,
      async (some) => {
        const found = await this.walker.matches(organizationId, object, walk, some);
        return found.map(({ record }) => record);
      },
      rowsAfter,
    );
  }

  /** Records of a name, in any case and without accents. */
  async named(
    caller: Principal,
    definition: RecordDefinition,
    name: string,
    size: number,
  ): Promise<StoredRecord[]> {
    // Nothing stands between a text and the same text with the lowest of all characters.
    const walk = nameWalk(caller, definition, name, '\u0000');
    if (walk.from.sortKey === '') return [];
    const { found } = await this.walker.walk(caller.organizationId, definition.object, walk, size);
    return found;
  }
}

/** The records whose name is `beginning` and then anything below `end`, in alphabetical order. */
function nameWalk(
  caller: Principal,
  definition: RecordDefinition,
  beginning: string,
  end: string,
): Walk {
  const key = textSortKey(beginning);
  return {
    list: listName('name', readScope(caller, definition)),
    from: { sortKey: key, id: '' },
    endKey: `${key}${end}`,
    descending: false,
    stands: (record, row) =>
      record.state === 'live' && textSortKey(definition.nameOf(record.data)) === row.sortKey,
    matches: (record) =>
      canRead(caller, definition, record) &&
      fold(definition.nameOf(record.data)).startsWith(fold(beginning)),
  };
}
