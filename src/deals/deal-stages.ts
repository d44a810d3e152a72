import { type FieldFault, validationFailed } from '../common/errors';
import type { Stage } from '../pipelines/pipeline';
import type { RecordState } from '../records/record';
import type { DealData, StageVisit } from './deal-data';

const HISTORY_MAX = 200;

/** A deal as it was before a write. */
export interface Before {
  state: RecordState;
  data: DealData;
}

/** A pipeline as far as deals know it. */
export interface Stages {
  id: string;
  /** In their order. */
  stages: readonly Stage[];
}

function fault(field: string, rule: string, message: string): never {
  const faults: FieldFault[] = [{ field, rule, message: `${field} ${message}` }];
  throw validationFailed(faults);
}

/**
 * The stage that a deal is to be in. undefined: the one it is in is gone, and nobody asks for
 * another.
 * @throws AppError VALIDATION_FAILED at stage_id
 */
export function chosenStage(
  data: DealData,
  pipeline: Stages,
  before: Before | undefined,
): Stage | undefined {
  const found = pipeline.stages.find(({ id }) => id === data.stage_id);
  if (before && before.state !== 'live') {
    // While it was away its stage may have become another.
    return found?.type === before.data.status ? found : firstOpen(pipeline);
  }
  if (found) return found;
  if (data.stage_id === null) return firstOpen(pipeline);
  if (before?.data.stage_id !== data.stage_id) {
    fault('stage_id', 'stageOfPipeline', 'must be a stage of the pipeline');
  }
  return before.data.pipeline_id === pipeline.id ? undefined : firstOpen(pipeline);
}

function firstOpen({ stages }: Stages): Stage | undefined {
  return stages.find(({ type }) => type === 'open');
}

/**
 * The reason that a deal is lost, in a stage of this type.
 * @throws AppError VALIDATION_FAILED at lost_reason
 */
export function lostReason(
  { lost_reason: reason }: DealData,
  { type }: Stage,
  before: Before | undefined,
): string | null {
  if (type === 'lost') {
    return reason ?? fault('lost_reason', 'required', 'is needed for a deal that is lost');
  }
  if (reason !== null && reason !== before?.data.lost_reason) {
    fault('lost_reason', 'lostOnly', 'is for a deal that is lost');
  }
  return null;
}

/** The deal in a stage: with what follows from it, and its time in the one before. */
export function inStage(
  data: DealData,
  pipelineId: string,
  stage: Stage,
  before: DealData | undefined,
  time: Date,
): DealData {
  const place = { pipeline_id: pipelineId, stage_id: stage.id };
  if (before?.stage_id === stage.id && before.pipeline_id === pipelineId) {
    return { ...data, ...place };
  }
  const entered = new Date(
    Math.max(time.getTime(), Date.parse(before?.stage_entered_at ?? '') || 0),
  );
  const now = entered.toISOString();
  const sameEnd = before?.status === stage.type ? before.closed_at : null;
  const visit: StageVisit = { ...place, entered_at: now, left_at: null, seconds: null };
  const visits = [...(before?.stage_history ?? []).map((one) => left(one, entered)), visit];
  return {
    ...data,
    ...place,
    status: stage.type,
    stage_entered_at: now,
    closed_at: stage.type === 'open' ? null : (sameEnd ?? now),
    stage_history: visits.slice(-HISTORY_MAX),
  };
}

function left(visit: StageVisit, at: Date): StageVisit {
  if (visit.left_at !== null) return visit;
  const milliseconds = at.getTime() - Date.parse(visit.entered_at);
  return { ...visit, left_at: at.toISOString(), seconds: Math.floor(milliseconds / 1000) };
}
