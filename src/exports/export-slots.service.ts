import { Injectable } from '@nestjs/common';
import { OrganizationSlots } from '../limits/organization-slots';

/** Exports of one organization that run in a process at a time. */
export const EXPORTS_AT_ONCE = 4;

/** Each export lasts as long as its reader likes. */
@Injectable()
export class ExportSlots extends OrganizationSlots {
  constructor() {
    super(EXPORTS_AT_ONCE, 'Too many exports are running; come back when one has ended.');
  }
}
