/**
 * `provisioning`: the id is claimed, the first user is not known to be written yet. `suspended`: an
 * operator has closed it. `erasing` and `erased`: it is going, or gone, and its id with it.
 */
export type OrganizationStatus = 'provisioning' | 'active' | 'suspended' | 'erasing' | 'erased';

export interface Organization {
  id: string;
  status: OrganizationStatus;
  /** The user who claimed the id; the organization exists once he does. */
  ownerId: string;
  name: string | null;
  timeZone: string;
  currency: string;
  locale: string;
  version: number;
  claimedAt: Date;
  createdAt: Date;
}

/** undefined leaves a setting alone. */
export interface OrganizationSettings {
  name?: string | null;
  /** IANA name. */
  timeZone?: string;
  /** ISO 4217. */
  currency?: string;
  /** BCP 47. */
  locale?: string;
}
