import type { Role } from '../common/permissions';

export type InvitationStatus = 'pending' | 'accepting' | 'accepted' | 'cancelled';

/** The right to join an organization under one email address, in one role, once. */
export interface Invitation {
  organizationId: string;
  id: string;
  /** Canonical. */
  email: string;
  role: Role;
  status: InvitationStatus;
  secretHash: Buffer;
  invitedBy: string;
  /** The user who is being, or was, created from it. */
  acceptedBy: string | null;
  claimedAt: Date | null;
  createdAt: Date;
  expiresAt: Date;
}
