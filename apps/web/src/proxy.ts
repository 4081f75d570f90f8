/**
 * Content security policy of pages, with a nonce for each view; API routes send no documents. For those
 * only: a percent sign that encodes nothing is the client's error. Next.js answers it with status 500,
 * before any route is asked.
 */
import type { ApiErrorBody } from '@blyan/protocol/api';
import { type NextRequest, NextResponse } from 'next/server';
import { isDevelopment } from './env.ts';

const isPage = (path: string) =>
  path === '/' || path === '/explorer' || path.startsWith('/explorer/');

function isEncoded(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

export function proxy(request: NextRequest): NextResponse {
  const path = request.nextUrl.pathname;
  if (!isPage(path)) return isEncoded(path) ? NextResponse.next() : refuse();
  const nonce = crypto.randomUUID().replaceAll('-', '');
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${isDevelopment ? " 'unsafe-eval'" : ''}`,
    // React writes style attributes, and streamdown too.
    "style-src 'self' 'unsafe-inline'",
    // An answer must not make the browser fetch anything from elsewhere.
    "img-src 'self' data:",
    "connect-src 'self'",
    // The programs that verify: 'strict-dynamic' above would not let a file of ours be one.
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
  const headers = new Headers(request.headers);
  headers.set('x-nonce', nonce);
  headers.set('content-security-policy', policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set('content-security-policy', policy);
  return response;
}

function refuse(): NextResponse {
  const message = 'The address has a "%" that encodes nothing.';
  const type = 'invalid_request_error' as const;
  const error = { message, type, code: 'invalid_address', param: null };
  return NextResponse.json({ error } satisfies ApiErrorBody, { status: 400 });
}

export const config = {
  matcher: [
    '/',
    '/explorer',
    '/explorer/:path*',
    '/(api|v1|chat|chain|blobs|proofs|models|tensors|search)/(.*%.*)',
  ],
};
