/** What is looked at before Next.js gets a request: whom it is for, which page sent it, and whether it can be. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../server/http/errors.ts';
import { clientAddress, comesFromProxy, limitedAs, type Network } from './address.ts';
import { addressCheck } from './addresses.ts';
import { type HostRules, hostCheck } from './hosts.ts';
import { dropUnread } from './unread.ts';

export interface DoorRules extends HostRules {
  /** Origins whose pages may use the API from a browser; `*` is any. */
  corsOrigins: readonly string[];
  trustedProxies: readonly Network[];
}

/** What a page may read of an answer. */
const EXPOSED = [
  'content-range',
  'link',
  'retry-after',
  'x-blob-length',
  'x-queue-length',
  'x-request-id',
  ...['limit', 'remaining', 'reset'].flatMap((what) =>
    ['requests', 'tokens'].map((of) => `x-ratelimit-${what}-${of}`),
  ),
].join(', ');
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const PREFLIGHT_S = 600;
/** Believed from a trusted proxy only, so nothing behind the door may find others. */
const ADDRESS_HEADER = 'x-forwarded-for';
/** Told to the client and written into our logs, so that the one can be found by the other. */
const ID_HEADER = 'x-request-id';
const FORWARDED = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port'];

export interface Door {
  /** The client as limits count it, or null when nothing is left to be done about the request. */
  enter(request: IncomingMessage, response: ServerResponse): string | null;
}

export function createDoor(rules: DoorRules): Door {
  const isOurs = hostCheck(rules);
  const checkAddress = addressCheck();
  const publicOrigin = rules.publicUrl && new URL(rules.publicUrl).origin;
  const anyOrigin = rules.corsOrigins.includes('*');
  const allowed = new Set(rules.corsOrigins);
  const isAllowed = (origin: string) => anyOrigin || allowed.has(origin);

  /** @throws ApiError 400, 403, 421 */
  function check(request: IncomingMessage, host: string | undefined): void {
    if (!isEncoded(request.url ?? '/'))
      throw new ApiError(400, 'invalid_address', 'The address has a "%" that encodes nothing.');
    // Without one (HTTP/1.0) it is no browser that asks.
    if (host !== undefined && !isOurs(host))
      throw new ApiError(
        421,
        'host_not_allowed',
        `This server does not answer to the name "${host}". Whoever runs it can add the name to BLYAN_ALLOWED_HOSTS, or set BLYAN_PUBLIC_URL.`,
      );
    const { origin } = request.headers;
    const refused =
      origin === undefined
        ? isFetchedElsewhere(request)
        : !isAllowed(origin) && origin !== publicOrigin && !isSame(origin, host);
    if (refused)
      throw new ApiError(
        403,
        'origin_not_allowed',
        `Pages of ${origin ?? 'another site'} may not use this server. Whoever runs it can add the origin to BLYAN_CORS_ORIGINS.`,
      );
  }

  return {
    enter(request, response) {
      if (!dropUnread(request, response)) return null;
      const trusted = comesFromProxy(request, rules.trustedProxies);
      const address = clientAddress(request, rules.trustedProxies);
      if (!trusted) for (const name of FORWARDED) delete request.headers[name];
      // Next.js would keep one that the client made up.
      request.headers[ADDRESS_HEADER] = address;
      const id = randomUUID();
      request.headers[ID_HEADER] = id;
      response.setHeader(ID_HEADER, id);
      const { origin, 'x-forwarded-host': forwarded } = request.headers;
      const isShared = origin !== undefined && isAllowed(origin);
      // Refusals, too: a page could not tell them from a network that is down.
      if (rules.corsOrigins.length > 0) response.setHeader('vary', 'Origin');
      if (isShared) {
        response.setHeader('access-control-allow-origin', anyOrigin ? '*' : origin);
        response.setHeader('access-control-expose-headers', EXPOSED);
      }
      try {
        check(request, [forwarded].flat()[0] ?? request.headers.host);
        if (isShared && request.method === 'OPTIONS') {
          allowAll(request, response);
          return null;
        }
        checkAddress(request.method ?? 'GET', request.url ?? '/');
      } catch (error) {
        refuse(response, error as ApiError);
        return null;
      }
      return limitedAs(address);
    },
  };
}

/** Answers a preflight: what the route says to the request itself, it says then. */
function allowAll({ headers }: IncomingMessage, response: ServerResponse): void {
  const wanted = headers['access-control-request-headers'];
  response
    .writeHead(204, {
      'access-control-allow-methods': METHODS,
      ...(wanted ? { 'access-control-allow-headers': wanted } : {}),
      'access-control-max-age': String(PREFLIGHT_S),
    })
    .end();
}

/** Next.js answers such an address with status 500, before any route is asked. */
function isEncoded(url: string): boolean {
  try {
    decodeURIComponent(url.split('?', 1)[0] ?? '');
    return true;
  } catch {
    return false;
  }
}

/** A page's own server; the scheme is the proxy's affair. */
const isSame = (origin: string, host: string | undefined): boolean =>
  host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();

/** An image or a script of another site: browsers send no origin with those, and a GET may cost an answer. */
function isFetchedElsewhere({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return (site === 'cross-site' || site === 'same-site') && headers['sec-fetch-mode'] === 'no-cors';
}

function refuse(response: ServerResponse, { status, body, headers }: ApiError): void {
  response
    .writeHead(status, {
      ...headers,
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    .end(JSON.stringify(body));
}
