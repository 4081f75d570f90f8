/** Requests that change something must come from our own pages: another site's cannot set Origin. */
import { ApiError } from '../http/errors.ts';

/**
 * Own: what the browser itself calls the same origin (it does so over https, whatever a proxy makes of
 * the host), or the configured origin, or one of the host that the request was sent to.
 */
export function isOwnOrigin(headers: Headers, publicOrigin: string | null): boolean {
  const origin = headers.get('origin');
  if (origin === null || !URL.canParse(origin)) return false;
  const site = headers.get('sec-fetch-site');
  if (site !== null) return site === 'same-origin';
  return origin === publicOrigin || new URL(origin).host === headers.get('host');
}

/** @throws ApiError 403 unless Origin is there and ours */
export function assertOwnOrigin(headers: Headers, publicOrigin: string | null): void {
  if (isOwnOrigin(headers, publicOrigin)) return;
  throw new ApiError(
    403,
    'foreign_origin',
    'This request came from another site. Behind a proxy that changes the host, set BLYAN_PUBLIC_URL; in a script, send an Origin header with the address of this server.',
  );
}

/** For what needs no session: other sites are refused, programs without an Origin are not. */
export function refuseForeignOrigin(headers: Headers, publicOrigin: string | null): void {
  if (headers.has('origin')) assertOwnOrigin(headers, publicOrigin);
}
