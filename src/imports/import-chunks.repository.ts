import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { Upload } from './import';

const PARTS_IN_GROUP = 64;
const CLOCK_MARGIN_MS = 60_000;

const insert = defineQuery(
  'import_chunks.insert',
  `INSERT INTO import_chunks (organization_id, upload_id, part_group, part, content)
   VALUES (:organization_id, :upload_id, :part_group, :part, :content)`,
);
const find = defineQuery<{ content: Buffer }>(
  'import_chunks.find',
  `SELECT content FROM import_chunks WHERE organization_id = :organization_id
   AND upload_id = :upload_id AND part_group = :part_group AND part = :part`,
);
const erase = defineQuery(
  'import_chunks.erase',
  `DELETE FROM import_chunks USING TIMESTAMP :microseconds WHERE organization_id = :organization_id
   AND upload_id = :upload_id AND part_group = :part_group`,
);

/** Files of imports while their jobs need them. */
@Injectable()
export class ImportChunksRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async put(organizationId: string, upload: string, part: number, content: Buffer): Promise<void> {
    await this.cassandra.run(insert, { ...keyOf(organizationId, upload, part), part, content });
  }

  /** The file, part by part. @throws Error where a part is missing */
  async *read(organizationId: string, { id, parts }: Upload): AsyncGenerator<Buffer> {
    for (let part = 0; part < parts; part++) {
      const key = { ...keyOf(organizationId, id, part), part };
      const row = await this.cassandra.first(find, key);
      if (!row) throw new Error(`Part ${String(part)} of a file is missing`);
      yield row.content;
    }
  }

  async remove(organizationId: string, { id, parts }: Upload): Promise<void> {
    const microseconds = (Date.now() + CLOCK_MARGIN_MS) * 1000;
    for (let part = 0; part < parts; part += PARTS_IN_GROUP) {
      await this.cassandra.run(erase, { ...keyOf(organizationId, id, part), microseconds });
    }
  }
}

function keyOf(organizationId: string, upload: string, part: number) {
  const group = Math.floor(part / PARTS_IN_GROUP);
  return { organization_id: organizationId, upload_id: upload, part_group: group };
}
