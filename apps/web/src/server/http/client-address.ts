/**
 * The address of the client. Next.js keeps an X-Forwarded-For that the client itself sent, so the
 * header is set anew here, from the socket, before Next.js or anybody else sees the request. With
 * proxies in front (BLYAN_TRUSTED_PROXIES) what they appended counts, and nothing that came before it.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

const HEADER = 'x-forwarded-for';

/** `trusted` proxies appended an address each, the last one's own is the socket's. */
export function addressOf(
  socketAddress: string | undefined,
  forwarded: string | undefined,
  trusted: number,
): string {
  const hops = forwarded && trusted > 0 ? forwarded.split(',').map((hop) => hop.trim()) : [];
  hops.push(socketAddress ?? '');
  const address = hops[Math.max(0, hops.length - 1 - trusted)] ?? '';
  // An IPv4 client of a socket that takes both.
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** Call it once, at the start. Node.js publishes each request before it emits it. */
export function watchAddresses(trusted: number): void {
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage };
    const forwarded = request.headers[HEADER];
    const text = Array.isArray(forwarded) ? forwarded.join(',') : forwarded;
    request.headers[HEADER] = addressOf(request.socket.remoteAddress, text, trusted);
  });
}

/** Of a request that came through `watchAddresses`; empty where there is none. */
export const clientAddress = (headers: Headers): string => headers.get(HEADER) ?? '';
