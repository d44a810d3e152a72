import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { BLOCK, type Outcome, type RowError, type RowResult } from './import';

interface ResultRow {
  row: number;
  line: number;
  outcome: Outcome;
  record_id: { toString(): string } | null;
  version: number | null;
  error: string | null;
  cells: string | null;
}

const CLOCK_MARGIN_MS = 3_600_000;
const KEY = 'organization_id = :organization_id AND job_id = :job_id AND block = :block';

const insert = defineQuery(
  'import_rows.insert',
  `INSERT INTO import_rows
     (organization_id, job_id, block, row, line, outcome, record_id, version, error, cells)
   VALUES
     (:organization_id, :job_id, :block, :row, :line, :outcome, :record_id, :version, :error, :cells)`,
);
const list = defineQuery<ResultRow>(
  'import_rows.list',
  `SELECT row, line, outcome, record_id, version, error, cells FROM import_rows WHERE ${KEY}
   LIMIT :size`,
);
const erase = defineQuery(
  'import_rows.erase',
  `DELETE FROM import_rows USING TIMESTAMP :microseconds WHERE ${KEY}`,
);

export const blockOf = (row: number) => Math.floor((row - 1) / BLOCK);

/** What became of the rows of imports, and of their reverts. */
@Injectable()
export class ImportRowsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** The results of one block. Written again they replace those of before. */
  async put(organizationId: string, jobId: string, results: readonly RowResult[]): Promise<void> {
    await this.cassandra.scatter(
      results.map((result) => ({
        query: insert,
        params: {
          ...keyOf(organizationId, jobId, blockOf(result.row)),
          row: result.row,
          line: result.line,
          outcome: result.outcome,
          record_id: result.recordId,
          version: result.version,
          error: result.error && JSON.stringify(result.error),
          cells: result.cells && JSON.stringify(result.cells),
        },
      })),
    );
  }

  async block(organizationId: string, jobId: string, block: number): Promise<RowResult[]> {
    const rows = await this.cassandra.page(list, keyOf(organizationId, jobId, block), BLOCK);
    return rows.map((row) => ({
      row: row.row,
      line: row.line,
      outcome: row.outcome,
      recordId: row.record_id?.toString() ?? null,
      version: row.version,
      error: row.error === null ? null : (JSON.parse(row.error) as RowError),
      cells: row.cells === null ? null : (JSON.parse(row.cells) as string[]),
    }));
  }

  async erase(organizationId: string, jobId: string, blocks: number): Promise<void> {
    const microseconds = (Date.now() + CLOCK_MARGIN_MS) * 1000;
    for (let block = 0; block < blocks; block++) {
      await this.cassandra.run(erase, { ...keyOf(organizationId, jobId, block), microseconds });
    }
  }
}

function keyOf(organizationId: string, jobId: string, block: number) {
  return { organization_id: organizationId, job_id: jobId, block };
}
