import { shardOf } from '../../common/shard-of';

/** Each shard is sequenced by one process at a time. */
export const OUTBOX_SHARDS = 4;
/** The latest window is read again and again: it has to be small. */
export const OUTBOX_WINDOW_MS = 1000;
/** Who needed longer for a note makes it again, in the window that it is by then. */
export const NOTED_WITHIN_MS = 10_000;
/** How far the clocks of two processes may be apart. */
const CLOCKS_APART_MS = 50_000;
/** So long after its end nothing comes to a window that is not noted in a later one, too. */
export const OUTBOX_GRACE_MS = NOTED_WITHIN_MS + CLOCKS_APART_MS;

/** The window of a time in epoch ms. */
export function outboxWindowOf(time: number): Date {
  return new Date(Math.floor(time / OUTBOX_WINDOW_MS) * OUTBOX_WINDOW_MS);
}

/** All changes of an organization go through one shard: they get their order there. */
export function outboxShardOf(organizationId: string): number {
  return shardOf(organizationId, OUTBOX_SHARDS);
}
