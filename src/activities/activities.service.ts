import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal';
import { ObjectService } from '../records/object.service';
import type { StoredRecord } from '../records/record';
import { RecordKit } from '../records/record-kit';
import { activities, type ActivityData, initialStatus } from './activity';

@Injectable()
export class ActivitiesService extends ObjectService<ActivityData> {
  constructor(kit: RecordKit) {
    super(activities, kit);
  }

  /** Says what the client has left open, and when it was done. */
  protected override prepare(
    _caller: Principal,
    data: ActivityData,
    base?: StoredRecord<ActivityData>,
  ): Promise<ActivityData> {
    const status = data.status ?? initialStatus(data.kind);
    const unassigned = base === undefined && data.kind === 'task' ? data.owner_id : null;
    // What was done stays done at its time, whatever else of it is changed.
    const before = base?.data.status === 'done' ? base.data.completed_at : null;
    const completed = before ?? new Date().toISOString();
    return Promise.resolve({
      ...data,
      status,
      assignee_id: data.assignee_id === undefined ? unassigned : data.assignee_id,
      completed_at: status === 'done' ? completed : null,
    });
  }
}
