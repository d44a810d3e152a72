import { Injectable } from '@nestjs/common';
import { CassandraService } from '../../cassandra/cassandra.service';
import { defineQuery } from '../../cassandra/define-query';

/** A record that a merge has turned from a loser to the winner. */
export interface MergeStep {
  loserId: string;
  object: string;
  id: string;
}

interface StepRow {
  loser_id: { toString(): string };
  object: string;
  id: { toString(): string };
}

const add = defineQuery(
  'merge_steps.add',
  `INSERT INTO merge_steps (organization_id, merge_id, loser_id, object, id)
   VALUES (:organization_id, :merge_id, :loser_id, :object, :id)`,
);
const list = defineQuery<StepRow>(
  'merge_steps.list',
  `SELECT loser_id, object, id FROM merge_steps
   WHERE organization_id = :organization_id AND merge_id = :merge_id AND loser_id = :loser_id
   AND (object, id) > (:after_object, :after_id) LIMIT :size`,
);

const PAGE = 200;
const SMALLEST_ID = '00000000-0000-0000-0000-000000000000';

@Injectable()
export class MergeStepsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async add(organizationId: string, mergeId: string, step: MergeStep): Promise<void> {
    const params = { loser_id: step.loserId, object: step.object, id: step.id };
    await this.cassandra.run(add, {
      organization_id: organizationId,
      merge_id: mergeId,
      ...params,
    });
  }

  /** The steps of a merge for one loser, a page at a time. */
  async *walk(
    organizationId: string,
    mergeId: string,
    loserId: string,
  ): AsyncGenerator<MergeStep[]> {
    let after = { after_object: '', after_id: SMALLEST_ID };
    for (;;) {
      const key = { organization_id: organizationId, merge_id: mergeId, loser_id: loserId };
      const rows = await this.cassandra.page(list, { ...key, ...after }, PAGE);
      const last = rows.at(-1);
      if (!last) return;
      yield rows.map(({ object, id }) => ({ loserId, object, id: id.toString() }));
      if (rows.length < PAGE) return;
      after = { after_object: last.object, after_id: last.id.toString() };
    }
  }
}
