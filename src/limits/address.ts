import ipaddr from 'ipaddr.js';

/** A customer gets a /64 of IPv6 at least: its addresses are one party, as one of IPv4 is. */
const IPV6_PREFIX_PARTS = 4;

/** What an address counts as: IPv4 as it is (also when mapped into IPv6), IPv6 by its /64. */
export function addressGroup(ip: string | null): string {
  if (ip === null || !ipaddr.isValid(ip)) return 'unknown';
  const address = ipaddr.process(ip);
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${address.parts
    .slice(0, IPV6_PREFIX_PARTS)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}
