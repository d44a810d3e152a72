import { createHmac } from 'node:crypto';
import type { ChangeObject, PlacedPointer } from '../changes/change';
import type { EventKind } from '../records/record';

/** Where changes are sent, and which. */
export interface Webhook {
  organizationId: string;
  id: string;
  /** Counts its changes. */
  version: number;
  url: string;
  description: string;
  /** None: all. */
  objects: ChangeObject[];
  /** None: all. */
  kinds: EventKind[];
  enabled: boolean;
  /** Sealed. */
  secret: Buffer;
  /** Sealed; signs along until `oldSecretUntil`. */
  oldSecret: Buffer | null;
  oldSecretUntil: Date | null;
  createdAt: Date;
  createdBy: string;
}

/** An event on its way to a webhook. */
export interface Pending extends PlacedPointer {
  /** Where it is kept: the chunk of its position, or that of what is sent again by hand. */
  chunk: number;
  attempts: number;
  /** Of the first attempt; of its arrival before there was one. */
  firstAt: Date;
  nextAt: Date;
}

export type DeliveryStatus = 'pending' | 'delivered' | 'dead';

/** How far a webhook has come, over all processes that ever sent for it. */
export interface Progress {
  /** Where it began. */
  firstPosition: number;
  /** The position of the log of changes that is read next. */
  nextPosition: number;
  /** No chunk before this one has events on their way. */
  pendingChunk: number;
  /** Since when nothing but failures comes back. */
  failingSince: Date | null;
}

/** Positions whose events are kept together. */
const CHUNK_SIZE = 10_000;
/** Of events that are sent again by hand. */
export const AGAIN_CHUNK = -1;

export function chunkOf(position: number): number {
  return Math.floor(position / CHUNK_SIZE);
}

/** The first position of a chunk. */
export function firstOf(chunk: number): number {
  return chunk * CHUNK_SIZE;
}

/** What became of an event so far. */
export interface Delivery extends PlacedPointer {
  status: DeliveryStatus;
  attempts: number;
  firstAt: Date;
  lastAt: Date;
  lastStatus: number | null;
  /** `timeout`, `connection`, `address_refused` or `status`. */
  error: string | null;
  latencyMs: number | null;
}

export const SECRET_PREFIX = 'whsec_';

/** The headers of the Standard Webhooks specification: one signature for each secret that counts. */
export function signedHeaders(
  id: string,
  at: Date,
  body: string,
  secrets: readonly Buffer[],
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`);
    return `v1,${mac.digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}

export function isWanted(webhook: Webhook, object: string, kind: string): boolean {
  const { objects, kinds } = webhook;
  return (
    (objects.length === 0 || (objects as string[]).includes(object)) &&
    (kinds.length === 0 || (kinds as string[]).includes(kind))
  );
}
