/** Whose request it is: the other end of the connection, or what proxies that we trust say of it. */
import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Network = [Address, number];

/**
 * Customers get an IPv6 network of 64 bits at least: any address in it is as good as another to them.
 */
const IPV6_PREFIX = 64;

/** `10.0.0.0/8`, or one address. @throws Error for anything else */
export function parseNetwork(text: string): Network {
  if (text.includes('/')) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

const isIn = (address: Address, networks: readonly Network[]): boolean =>
  networks.some(
    ([network, bits]) => address.kind() === network.kind() && address.match(network, bits),
  );

const parse = (text: string | undefined): Address | null =>
  text !== undefined && ipaddr.isValid(text) ? ipaddr.process(text) : null;

/** Whether the other end of the connection is a proxy that was configured. */
export function comesFromProxy(request: IncomingMessage, trusted: readonly Network[]): boolean {
  const peer = parse(request.socket.remoteAddress);
  return peer !== null && isIn(peer, trusted);
}

/**
 * Address of the client. `X-Forwarded-For` is read from its end, where the nearest proxy wrote, and only
 * as far as each writer is trusted: whatever a client puts in front of it counts for nothing.
 */
export function clientAddress(request: IncomingMessage, trusted: readonly Network[]): string {
  let address = parse(request.socket.remoteAddress);
  const header = request.headers['x-forwarded-for'] ?? '';
  const chain = [header].flat().join(',').split(',').reverse();
  for (const entry of chain) {
    if (!address || !isIn(address, trusted)) break;
    const before = parse(entry.trim());
    if (!before) break;
    address = before;
  }
  return address?.toString() ?? 'unknown';
}

/** Who counts as one client for limits, of an address. */
export function limitedAs(text: string): string {
  const address = parse(text);
  if (!address) return 'unknown';
  if (address.kind() === 'ipv4') return address.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${IPV6_PREFIX}`);
  return `${network.toString()}/${IPV6_PREFIX}`;
}
