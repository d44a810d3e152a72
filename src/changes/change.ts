import { OBJECTS } from '../common/permissions';
import type { ChangeEvent } from '../records/record';

/** What changes are told of: every kind of record but those the store keeps for itself. */
export const CHANGE_OBJECTS = [...OBJECTS, 'pipelines'] as const;
export type ChangeObject = (typeof CHANGE_OBJECTS)[number];

/** Which version of which record: all that the log says of a change. */
export interface Pointer {
  object: string;
  id: string;
  version: number;
  /** When the version was written: its place in the history of the record. */
  at: Date;
}

/** A pointer and where it stands in the log of its organization, from 0 on. */
export interface PlacedPointer extends Pointer {
  position: number;
}

/** One version of a record, where it stands in the log. */
export interface Change extends PlacedPointer {
  event: ChangeEvent;
}
