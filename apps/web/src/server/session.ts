/**
 * The anonymous session of a browser: a random token in a cookie that scripts cannot read. The
 * database knows its hash only, so that nobody who reads it can act for a browser.
 */
import { createHash, randomBytes } from 'node:crypto';

const COOKIE = 'blyan-session';
/** 400 days is the longest that browsers keep a cookie. */
const MAX_AGE_S = 400 * 86_400;
/** 32 bytes in base64url. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export interface Session {
  /** SHA-256 of the token; null for a browser that has none yet. */
  owner: Buffer<ArrayBuffer> | null;
  /** The owner, with a new token where there is none; the cookie starts anew. */
  begin(): Buffer<ArrayBuffer>;
}

const hashOf = (token: string): Buffer<ArrayBuffer> =>
  Buffer.from(createHash('sha256').update(token).digest());

function tokenIn(cookies: string | null): string | null {
  for (const part of (cookies ?? '').split(';')) {
    const [name, value = ''] = part.trim().split('=');
    if (name === COOKIE && TOKEN.test(value)) return value;
  }
  return null;
}

/** @param secure whether the browser came over https: then the cookie never goes out without */
export function openSession(
  cookies: string | null,
  { secure, setCookie }: { secure: boolean; setCookie: (cookie: string) => void },
): Session {
  let token = tokenIn(cookies);
  return {
    get owner() {
      return token === null ? null : hashOf(token);
    },
    begin() {
      token ??= randomBytes(32).toString('base64url');
      const attributes = `Path=/; Max-Age=${MAX_AGE_S}; HttpOnly; SameSite=Lax`;
      setCookie(`${COOKIE}=${token}; ${attributes}${secure ? '; Secure' : ''}`);
      return hashOf(token);
    },
  };
}
