import type { Principal } from '../common/principal';

/** Everything that leaves an entry. Names are stable: they are what one filters by. */
export const AUDIT_ACTIONS = [
  'access.denied',
  'api_key.created',
  'api_key.revoked',
  'contact.erased',
  'contact.exported',
  'field.archived',
  'field.changed',
  'field.created',
  'invitation.accepted',
  'invitation.cancelled',
  'invitation.created',
  'login.failed',
  'login.locked',
  'organization.changed',
  'organization.created',
  'organization.erasure_requested',
  'organization.exported',
  'password.changed',
  'password.reset',
  'password.reset_requested',
  'records.exported',
  'session.ended',
  'session.reused',
  'session.started',
  'user.changed',
  'user.created',
  'user.sessions_ended',
  'webhook.changed',
  'webhook.created',
  'webhook.deleted',
  'webhook.disabled',
  'webhook.secret_rotated',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/**
 * `unknown` is what an entry says until its change is done; it stays where a crash or an outage
 * came in between, and then the change may have happened or not.
 */
export const AUDIT_OUTCOMES = ['success', 'refused', 'unknown'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

export interface AuditEvent {
  organizationId: string;
  action: AuditAction;
  /** Who did it; undefined for somebody who has not signed in. */
  actor?: Pick<Principal, 'userId' | 'apiKeyId'>;
  /** The record it was done to. */
  targetId?: string;
  /** What a reader wants to know beside: small, and never a secret. */
  details?: Record<string, string>;
}

export interface AuditEntry extends AuditEvent {
  id: string;
  at: Date;
  outcome: AuditOutcome;
  ip: string | null;
  requestId: string | null;
}
