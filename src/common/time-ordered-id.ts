/** When a UUIDv7 was made, in epoch ms: its first 48 bits (RFC 9562, 5.7). */
export function timeOfId(id: string): number {
  return parseInt(id.replace('-', '').slice(0, 12), 16);
}
