import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { PlacedPointer, Pointer } from './change';

/** Positions of one partition. */
export const CHUNK_SIZE = 10_000;
/** Positions of one conditional write. */
export const APPEND_SIZE = 100;
/** As the TTL of the rows. */
export const KEPT_MS = 30 * 86_400_000;

interface Long {
  toString(): string;
}

const CHUNK = 'organization_id = :organization_id AND chunk = :chunk';

const findHead = defineQuery<{ head: Long | null; appended_at: Date | null }>(
  'changes.findHead',
  `SELECT DISTINCT head, appended_at FROM changes WHERE ${CHUNK}`,
);
const list = defineQuery<{
  position: Long;
  object: string;
  record_id: Long;
  version: number;
  at: Date;
}>(
  'changes.list',
  `SELECT position, object, record_id, version, at FROM changes
   WHERE ${CHUNK} AND position >= :position LIMIT :size`,
);
const findAppend = defineQuery<{ append_id: Long | null }>(
  'changes.findAppend',
  `SELECT append_id FROM changes WHERE ${CHUNK} AND position = :position`,
);
const moveHead = defineQuery(
  'changes.moveHead',
  `UPDATE changes SET head = :head, appended_at = :now WHERE ${CHUNK} IF head = :expected_head`,
);
const insert = defineQuery(
  'changes.insert',
  `INSERT INTO changes (organization_id, chunk, position, object, record_id, version, at, append_id)
   VALUES (:organization_id, :chunk, :position, :object, :record_id, :version, :at, :append_id)
   IF NOT EXISTS USING TTL 2592000`,
);

export function chunkOf(position: number): number {
  return Math.floor(position / CHUNK_SIZE);
}

/** The end of a chunk: the first free position, and when it was written to last. */
export interface ChunkEnd {
  head: number;
  appendedAt: Date;
}

/** The log of changes: rows of chunks, and no rule about where one ends (change-log.service). */
@Injectable()
export class ChangesRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** undefined for a chunk that nothing was ever written to. */
  async chunkEnd(
    organizationId: string,
    chunk: number,
    serial = false,
  ): Promise<ChunkEnd | undefined> {
    const key = { organization_id: organizationId, chunk };
    const [row] = await this.cassandra.run(findHead, key, { serial });
    if (!row?.head || !row.appended_at) return undefined;
    return { head: Number(row.head.toString()), appendedAt: row.appended_at };
  }

  /** What is kept from a position on, to the end of its chunk at most. */
  async list(organizationId: string, position: number, size: number): Promise<PlacedPointer[]> {
    const key = { organization_id: organizationId, chunk: chunkOf(position), position };
    const rows = await this.cassandra.page(list, key, size);
    return rows.map((row) => ({
      position: Number(row.position.toString()),
      object: row.object,
      id: row.record_id.toString(),
      version: row.version,
      at: row.at,
    }));
  }

  /**
   * Puts pointers at the positions from `head` on, all within one chunk. False: somebody else has
   * written there.
   */
  async append(
    organizationId: string,
    head: number,
    pointers: readonly Pointer[],
  ): Promise<boolean> {
    const key = { organization_id: organizationId, chunk: chunkOf(head) };
    const isFirst = head % CHUNK_SIZE === 0;
    const append_id = randomId();
    const move = {
      ...key,
      head: head + pointers.length,
      now: new Date(),
      expected_head: isFirst ? null : head,
    };
    const rows = pointers.map(({ object, id, version, at }, index) => ({
      query: insert,
      params: { ...key, position: head + index, object, record_id: id, version, at, append_id },
    }));
    const result = await this.cassandra.lwt(
      [{ query: moveHead, params: move }, ...rows],
      async () => {
        const found = await this.cassandra.run(
          findAppend,
          { ...key, position: head },
          { serial: true },
        );
        return found.some((row) => row.append_id?.toString() === append_id);
      },
    );
    return result.applied;
  }
}
