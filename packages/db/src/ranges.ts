/** Address ranges (CIDR), IPv4 and IPv6; an IPv4 address inside IPv6 counts as IPv4. */
import ipaddr from 'ipaddr.js';
import { DbError } from './errors.ts';

/** A range, or a single address as a range of one; null when it is neither. */
function parseRange(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | null {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    return null;
  }
}

/** @throws DbError KEY_INVALID */
export function assertRange(text: string): void {
  // `10.1/16` and `0x7f.1` are addresses to some programs and others to the next.
  const plain = text.includes(':') || /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(text);
  if (!plain || text.length > 64 || parseRange(text) === null)
    throw new DbError(
      'KEY_INVALID',
      `"${text.slice(0, 64)}" is no address range; expected for example 203.0.113.0/24 or 2001:db8::/48.`,
    );
}

/** No ranges: every address. An address that cannot be read is in none. */
export function inRanges(address: string, ranges: readonly string[]): boolean {
  if (ranges.length === 0) return true;
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return ranges.some((text) => {
    const range = parseRange(text);
    if (range === null || range[0].kind() !== parsed.kind()) return false;
    return parsed.match(range as [ipaddr.IPv4 & ipaddr.IPv6, number]);
  });
}
