/**
 * What pages come with: a content security policy with a nonce for each view, and on the chat's own pages the
 * browser's session. API routes send no documents.
 */
import { type NextRequest, NextResponse } from 'next/server';
import { isDevelopment } from './env.ts';
import { openSession } from './server/session.ts';

/** Pages that ask. */
const CHAT = /^\/(c\/[^/]+)?$/;

export function proxy(request: NextRequest): NextResponse {
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
  if (CHAT.test(request.nextUrl.pathname)) beginSession(request, response);
  return response;
}

/**
 * Before the first question: two tabs that ask theirs at the same time would get a session each, and the
 * browser keeps the last one only.
 */
function beginSession(request: NextRequest, response: NextResponse): void {
  const protocol = request.headers.get('x-forwarded-proto') ?? request.nextUrl.protocol;
  const session = openSession(request.headers.get('cookie'), {
    secure: protocol.startsWith('https'),
    setCookie: (cookie) => response.headers.append('set-cookie', cookie),
  });
  if (session.owner === null) session.begin();
}

export const config = {
  // Everything but files and API routes, whose roots next.config.mjs lists: a new page is covered.
  matcher: [
    '/((?!_next/static/|(?:api|v1|chain|blobs|proofs|models|tensors|receipts|nodes|search|gpu|chat|health|ready|openapi\\.json|icon\\.svg)(?:/|$)).*)',
  ],
};
