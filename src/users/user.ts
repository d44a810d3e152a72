import type { Role } from '../common/permissions';

/** `deactivated` users keep their record and their email, and cannot sign in. */
export const USER_STATUSES = ['active', 'deactivated'] as const;
export type UserStatus = (typeof USER_STATUSES)[number];

export interface User {
  organizationId: string;
  id: string;
  email: string;
  firstName: string | null;
  lastName: string | null;
  role: Role;
  status: UserStatus;
  /** Grows by one with every change; a change names the version it was made from. */
  version: number;
  /** Sessions that were made in another epoch are over. */
  sessionEpoch: number;
  createdAt: Date;
  updatedAt: Date;
}

/** A user together with what proves his identity. Stays between users and auth. */
export interface UserCredentials {
  user: User;
  passwordHash: string;
}

export interface NewUser {
  /** Made before the first write and never used twice: it tells our rows from everybody else's. */
  id: string;
  /** Canonical. */
  email: string;
  passwordHash: string;
  firstName?: string | null;
  lastName?: string | null;
  role: Role;
}

/** Fields to change; null clears a name, undefined leaves a field alone. */
export interface UserChange {
  firstName?: string | null;
  lastName?: string | null;
  role?: Role;
  status?: UserStatus;
}
