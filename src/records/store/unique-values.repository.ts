import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';
import type { UniqueValue } from '../record';

interface ClaimRow {
  id: { toString(): string } | null;
  operation_id: { toString(): string } | null;
  claimed_at: Date | null;
}

/** Who has claimed a value, by which write, and since when. */
export interface UniqueClaim {
  id: string;
  operationId: string;
  claimedAt: Date;
}

const KEY = `organization_id = :organization_id AND object = :object AND field = :field
  AND value = :value`;

const find = defineQuery<ClaimRow>(
  'unique_values.find',
  `SELECT id, operation_id, claimed_at FROM unique_values WHERE ${KEY}`,
);
const claim = defineQuery(
  'unique_values.claim',
  `INSERT INTO unique_values (organization_id, object, field, value, id, operation_id, claimed_at)
   VALUES (:organization_id, :object, :field, :value, :id, :operation_id, :now) IF NOT EXISTS`,
);
const renew = defineQuery(
  'unique_values.renew',
  `UPDATE unique_values SET id = :id, operation_id = :operation_id, claimed_at = :now
   WHERE ${KEY} IF operation_id = :expected_operation_id`,
);
const release = defineQuery(
  'unique_values.release',
  `DELETE FROM unique_values WHERE ${KEY} IF operation_id = :expected_operation_id`,
);

/** The claims on unique values: rows, and no rule about them (that is in claims.service). */
@Injectable()
export class UniqueValuesRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(
    organizationId: string,
    object: string,
    unique: UniqueValue,
    serial = false,
  ): Promise<UniqueClaim | undefined> {
    const key = { organization_id: organizationId, object, ...unique };
    const row = await this.cassandra.first(find, key, { serial });
    if (!row?.id || !row.operation_id || !row.claimed_at) return undefined;
    return {
      id: row.id.toString(),
      operationId: row.operation_id.toString(),
      claimedAt: row.claimed_at,
    };
  }

  /** False: the value has a claim. */
  async claim(
    organizationId: string,
    object: string,
    unique: UniqueValue,
    id: string,
    operationId: string,
  ): Promise<boolean> {
    const key = { organization_id: organizationId, object, ...unique };
    const params = { ...key, id, operation_id: operationId, now: new Date() };
    const result = await this.cassandra.lwt([{ query: claim, params }], () =>
      this.isOf(organizationId, object, unique, operationId),
    );
    return result.applied;
  }

  /** Makes a claim of the same record one of this write. False: it has changed since it was read. */
  async renew(
    organizationId: string,
    object: string,
    unique: UniqueValue,
    current: UniqueClaim,
    operationId: string,
  ): Promise<boolean> {
    const key = { organization_id: organizationId, object, ...unique };
    const params = {
      ...key,
      id: current.id,
      operation_id: operationId,
      now: new Date(),
      expected_operation_id: current.operationId,
    };
    const result = await this.cassandra.lwt([{ query: renew, params }], () =>
      this.isOf(organizationId, object, unique, operationId),
    );
    return result.applied;
  }

  /** Takes a claim away, if it is still that of this write. */
  async release(
    organizationId: string,
    object: string,
    unique: UniqueValue,
    operationId: string,
  ): Promise<void> {
    const key = { organization_id: organizationId, object, ...unique };
    const params = { ...key, expected_operation_id: operationId };
    await this.cassandra.lwt([{ query: release, params }], () => Promise.resolve(true));
  }

  private async isOf(
    organizationId: string,
    object: string,
    unique: UniqueValue,
    operationId: string,
  ): Promise<boolean> {
    const found = await this.find(organizationId, object, unique, true);
    return found?.operationId === operationId;
  }
}
