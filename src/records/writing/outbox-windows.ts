import { createHash } from 'node:crypto';

/** Each shard is sequenced by one process at a time. */
export const OUTBOX_SHARDS = 4;
/** At 500 writes a second a window of a shard has some 600 rows. */
export const OUTBOX_WINDOW_MS = 5000;

/** The window of a time in epoch ms. */
export function outboxWindowOf(time: number): Date {
  return new Date(Math.floor(time / OUTBOX_WINDOW_MS) * OUTBOX_WINDOW_MS);
}

/** All changes of an organization go through one shard: they get their order there. */
export function outboxShardOf(organizationId: string): number {
  return createHash('sha1').update(organizationId).digest().readUInt32BE(0) % OUTBOX_SHARDS;
}
