import { hash } from 'node:crypto';

/**
 * In which of `shards` something of this id is, for ever: another answer would be another place.
 * With another `offset` (bytes of the digest, 0 to 16) the same ids are spread in another way.
 */
export function shardOf(id: string, shards: number, offset = 0): number {
  return hash('sha1', id, 'buffer').readUInt32BE(offset) % shards;
}
