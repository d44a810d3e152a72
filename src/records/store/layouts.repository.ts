import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';

interface LayoutRow {
  read_buckets: number | null;
  buckets: number | null;
  next_buckets: number | null;
  operation_id: { toString(): string } | null;
  changed_at: Date | null;
}

/** Over how many buckets derived rows are spread. */
export interface Layout {
  /** Lists are read from this many. */
  readBuckets: number;
  /** Rows are written to each of these spreads: one, or two while it grows. */
  writeBuckets: number[];
  operationId: string | null;
}

/** Of an organization that has not grown: 100,000 records and their lists fit comfortably. */
export const INITIAL_BUCKETS = 2;
/** A layout is looked up again after this long; growing waits for it. */
export const LAYOUT_CACHE_MS = 1000;
const CACHE_SIZE = 10_000;

const find = defineQuery<LayoutRow>(
  'layouts.find',
  `SELECT read_buckets, buckets, next_buckets, operation_id, changed_at FROM layouts
   WHERE organization_id = :organization_id AND object = :object`,
);
const set = defineQuery(
  'layouts.set',
  `UPDATE layouts SET read_buckets = :read_buckets, buckets = :buckets,
     next_buckets = :next_buckets, operation_id = :operation_id, changed_at = :now
   WHERE organization_id = :organization_id AND object = :object
   IF operation_id = :expected_operation_id`,
);

@Injectable()
export class LayoutsRepository {
  private readonly cache = new Map<string, { layout: Layout; until: number }>();

  constructor(private readonly cassandra: CassandraService) {}

  /** The layout of a second ago at most. */
  async get(organizationId: string, object: string): Promise<Layout> {
    const key = `${organizationId} ${object}`;
    const cached = this.cache.get(key);
    if (cached && cached.until > performance.now()) return cached.layout;
    const until = performance.now() + LAYOUT_CACHE_MS;
    const layout = await this.find(organizationId, object);
    if (this.cache.size >= CACHE_SIZE) this.cache.clear();
    this.cache.set(key, { layout, until });
    return layout;
  }

  /**
   * Reads from the spread in use: once more where that was given up meanwhile, and perhaps deleted.
   */
  async reading<T>(
    organizationId: string,
    object: string,
    read: (buckets: number) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const { readBuckets } = await this.get(organizationId, object);
      const result = await read(readBuckets);
      if ((await this.get(organizationId, object)).readBuckets === readBuckets) return result;
    }
  }

  async find(organizationId: string, object: string): Promise<Layout> {
    const row = await this.cassandra.first(find, { organization_id: organizationId, object });
    const buckets = row?.buckets ?? INITIAL_BUCKETS;
    return {
      readBuckets: row?.read_buckets ?? buckets,
      writeBuckets: row?.next_buckets ? [buckets, row.next_buckets] : [buckets],
      operationId: row?.operation_id?.toString() ?? null,
    };
  }

  /** Changes the layout if it is still as `current` says. @returns it; undefined where it is not */
  async set(
    organizationId: string,
    object: string,
    current: Layout,
    next: { readBuckets: number; buckets: number; nextBuckets: number | null },
  ): Promise<Layout | undefined> {
    const operationId = randomId();
    const params = {
      organization_id: organizationId,
      object,
      read_buckets: next.readBuckets,
      buckets: next.buckets,
      next_buckets: next.nextBuckets,
      operation_id: operationId,
      expected_operation_id: current.operationId,
      now: new Date(),
    };
    const result = await this.cassandra.lwt([{ query: set, params }], async () => {
      const found = await this.find(organizationId, object);
      return found.operationId === operationId;
    });
    this.cache.delete(`${organizationId} ${object}`);
    if (!result.applied) return undefined;
    const { readBuckets, buckets, nextBuckets } = next;
    const writeBuckets = nextBuckets === null ? [buckets] : [buckets, nextBuckets];
    return { readBuckets, writeBuckets, operationId };
  }
}
