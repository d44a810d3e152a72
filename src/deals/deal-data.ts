import type { StageType } from '../pipelines/pipeline';
import type { RecordData } from '../records/record';

/** One stay of a deal in a stage. */
export interface StageVisit {
  pipeline_id: string;
  stage_id: string;
  entered_at: string;
  /** null: it is still there. */
  left_at: string | null;
  seconds: number | null;
}

export interface DealData extends RecordData {
  name: string;
  pipeline_id: string | null;
  stage_id: string | null;
  /** In minor units of the currency; both or neither. */
  amount: number | null;
  currency: string | null;
  close_date: string | null;
  probability: number | null;
  company_id: string | null;
  contact_ids: string[];
  lost_reason: string | null;
  status: StageType;
  stage_entered_at: string;
  closed_at: string | null;
  /** Oldest first; the last one is where it is. */
  stage_history: StageVisit[];
}
