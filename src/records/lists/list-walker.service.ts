import { Injectable } from '@nestjs/common';
import type { StoredRecord } from '../record';
import { DerivedRowsRepository } from '../store/derived-rows.repository';
import { LayoutsRepository } from '../store/layouts.repository';
import type { ListedRow, ListPosition } from '../store/list-order';
import { fromCopy } from '../store/record-copy';
import { RecordsRepository } from '../store/records.repository';
import type { Walk } from './list-plan';

/** Rows that are looked at for one answer; a page that ends here is short, and has a next one. */
export const SCAN_LIMIT = 1000;
export const ROWS_AT_ONCE = 200;

/** A record, and the row by which it was found. */
interface Match {
  record: StoredRecord;
  row: ListedRow;
}

/** Follows the rows of a list to their records. */
@Injectable()
export class ListWalker {
  constructor(
    private readonly records: RecordsRepository,
    private readonly derived: DerivedRowsRepository,
    private readonly layouts: LayoutsRepository,
  ) {}

  /** The next rows of a list after a position, whatever they lead to. */
  rows(
    organizationId: string,
    object: string,
    { list, endKey, descending }: Pick<Walk, 'list' | 'endKey' | 'descending'>,
    from: ListPosition,
    size: number,
  ): Promise<ListedRow[]> {
    return this.layouts.reading(organizationId, object, (buckets) =>
      this.derived.list(
        { organizationId, object, list },
        buckets,
        { from, endKey, descending },
        size,
      ),
    );
  }

  /**
   * What rows lead to, as it is now: where a row is not one of its record any more, nothing. A copy is
   * the record as it is: it is withdrawn before the record changes (record-writer.service.ts).
   */
  async matches(
    organizationId: string,
    object: string,
    walk: Pick<Walk, 'stands' | 'matches'>,
    rows: readonly ListedRow[],
  ): Promise<Match[]> {
    const carried = rows.map(({ id, version, copy }) =>
      copy === null ? undefined : fromCopy({ organizationId, object, id }, version, copy),
    );
    const others = rows.filter((_, index) => !carried[index]).map(({ id }) => id);
    const records = await this.records.findMany(organizationId, object, others);
    return rows.flatMap((row, index) => {
      const record = carried[index] ?? records.get(row.id);
      return record && walk.stands(record, row) && walk.matches(record) ? [{ record, row }] : [];
    });
  }

  /** The next records of a walk, and where to go on; null at its end. */
  async walk(
    organizationId: string,
    object: string,
    walk: Walk,
    limit: number,
  ): Promise<{ found: StoredRecord[]; next: ListPosition | null }> {
    const found: Match[] = [];
    let from = walk.from;
    for (let scanned = 0; ;) {
      const size = Math.min(Math.max(ROWS_AT_ONCE, limit + 1), limit + 1 + scanned);
      const rows = await this.rows(organizationId, object, walk, from, size);
      found.push(...(await this.matches(organizationId, object, walk, rows)));
      scanned += rows.length;
      const last = rows.at(-1);
      if (found.length > limit) {
        const next = found[limit - 1]?.row ?? null;
        return { found: found.slice(0, limit).map(({ record }) => record), next };
      }
      const all = found.map(({ record }) => record);
      if (!last || rows.length < size) return { found: all, next: null };
      if (scanned >= SCAN_LIMIT) return { found: all, next: last };
      from = last;
    }
  }
}
