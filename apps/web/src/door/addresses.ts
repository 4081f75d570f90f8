/**
 * Addresses of the API, and what may be done at each: Next.js would answer with a page where there is no
 * route, and with nothing at all where a route has no such method.
 */
import { OPERATIONS } from '@blyan/protocol/rest/registry';
import { ApiError } from '../server/http/errors.ts';

interface Address {
  pattern: RegExp;
  allowed: Set<string>;
}

/** For our own pages, so not in the document; and not at the root. */
const INTERNAL: Address[] = [
  { pattern: /^\/trpc\/[^/]+$/, allowed: new Set(['GET', 'HEAD', 'OPTIONS', 'POST']) },
  { pattern: /^\/auth\/./, allowed: new Set(['OPTIONS', 'POST']) },
];
/** Of an address in a message. */
const MAX_SHOWN = 200;

function documented(): Address[] {
  const byPath = new Map<string, Address>();
  for (const { method, path, params, errors } of OPERATIONS) {
    const isList = (name: string) => params?.shape[name]?._zod.def.type === 'array';
    const source = path
      .replaceAll('.', '\\.')
      .replace(/\{(\w+)\}/g, (_, name) => (isList(name) ? '.+' : '[^/]+'));
    const known = byPath.get(path);
    const address = known ?? { pattern: new RegExp(`^${source}$`), allowed: new Set(['OPTIONS']) };
    byPath.set(path, address);
    address.allowed.add(method.toUpperCase());
    // Next.js does for it what a GET does: no answer may begin that nobody reads.
    const mayAsk = errors.includes(429);
    if (method === 'get' && !mayAsk) address.allowed.add('HEAD');
  }
  return [...byPath.values()];
}

const rootOf = (path: string) => path.split('/')[1] ?? '';

/** @returns a check of method and address that throws ApiError 404, 405; what is no API's may pass */
export function addressCheck(): (method: string, url: string) => void {
  const everywhere = documented();
  const underApi = [...everywhere, ...INTERNAL];
  const roots = new Set(OPERATIONS.map(({ path }) => rootOf(path)));
  return (method, url) => {
    // Next.js sends whoever doubles a slash, or ends with one, to the address without.
    const path = (url.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');
    const isUnderApi = rootOf(path) === 'api';
    if (!isUnderApi && !roots.has(rootOf(path))) return;
    const at = isUnderApi ? path.slice('/api'.length) : path;
    const found = (isUnderApi ? underApi : everywhere).filter(({ pattern }) => pattern.test(at));
    const shown = `${method} ${path.slice(0, MAX_SHOWN)}`;
    if (found.length === 0)
      throw new ApiError(
        404,
        'unknown_url',
        `Invalid URL (${shown}): there is no such route. /openapi.json lists all.`,
      );
    const allowed = new Set(found.flatMap((address) => [...address.allowed]));
    if (allowed.has(method)) return;
    const list = [...allowed].sort().join(', ');
    throw new ApiError(405, 'method_not_supported', `${shown} is not supported, only: ${list}.`, {
      headers: { allow: list },
    });
  };
}
