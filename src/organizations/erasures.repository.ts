import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

interface ErasureRow {
  organization_id: string;
  requested_at: Date;
}

export interface Erasure {
  organizationId: string;
  requestedAt: Date;
}

const add = defineQuery(
  'erasures.add',
  `INSERT INTO erasures (list, organization_id, requested_at)
   VALUES ('open', :organization_id, :requested_at)`,
);
const list = defineQuery<ErasureRow>(
  'erasures.list',
  `SELECT organization_id, requested_at FROM erasures WHERE list = 'open' LIMIT :size`,
);
const remove = defineQuery(
  'erasures.remove',
  `DELETE FROM erasures WHERE list = 'open' AND organization_id = :organization_id`,
);

/** The organizations whose data is still to be deleted. */
@Injectable()
export class ErasuresRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async add(organizationId: string): Promise<void> {
    const params = { organization_id: organizationId, requested_at: new Date() };
    await this.cassandra.run(add, params);
  }

  async list(size: number): Promise<Erasure[]> {
    const rows = await this.cassandra.page(list, {}, size);
    return rows.map((row) => ({
      organizationId: row.organization_id,
      requestedAt: row.requested_at,
    }));
  }

  async remove(organizationId: string): Promise<void> {
    await this.cassandra.run(remove, { organization_id: organizationId });
  }
}
