/**
 * Content that is named by its hash: it never changes, so it is cached for good, and a client that has it
 * is told so (RFC 9110: ETag, If-None-Match, Range with If-Range).
 */
import { createHash } from 'node:crypto';
import { parseRange } from './range.ts';

const FOREVER = 'public, max-age=31536000, immutable';

const immutableHeaders = (etag: string) => ({ 'cache-control': FOREVER, etag });

/** Whether the client has it already. */
function isKnown(request: Request, etag: string): boolean {
  const tags = request.headers.get('if-none-match')?.split(',') ?? [];
  return tags.some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
}

/** JSON under a name that stands for its content. */
export function immutableJson(request: Request, etag: string, body: object): Response {
  const headers = immutableHeaders(etag);
  if (isKnown(request, etag)) return new Response(null, { status: 304, headers });
  return Response.json(body, { headers });
}

/** JSON that stays as it is under its address; named by its own hash. */
export function lastingJson(request: Request, body: object): Response {
  const text = JSON.stringify(body);
  const etag = `"${createHash('sha256').update(text).digest('hex')}"`;
  // The same address gives CSV to others.
  const headers = { ...immutableHeaders(etag), vary: 'accept' };
  if (isKnown(request, etag)) return new Response(null, { status: 304, headers });
  return new Response(text, { headers: { ...headers, 'content-type': 'application/json' } });
}

/**
 * Bytes, or a range of them.
 * @param read the body from `start` (inclusive) to `end` (exclusive)
 */
export function immutableBytes(
  request: Request,
  content: {
    etag: string;
    size: number;
    type?: string;
    /** Name of the file that a browser saves. */
    filename?: string;
    read(range: { start: number; end: number }): ReadableStream<Uint8Array> | Uint8Array;
  },
): Response {
  const { etag, size, read } = content;
  const headers: Record<string, string> = {
    ...immutableHeaders(etag),
    'content-type': content.type ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    // Next.js sends bodies chunked and drops Content-Length.
    'x-blob-length': String(size),
    ...(content.filename
      ? { 'content-disposition': `attachment; filename="${content.filename}"` }
      : {}),
  };
  if (isKnown(request, etag)) return new Response(null, { status: 304, headers });
  // A range of another version would be useless; there is one version only.
  const ifRange = request.headers.get('if-range');
  const wanted = ifRange === null || ifRange === etag ? request.headers.get('range') : null;
  const range = parseRange(wanted, size);
  if (range === 'unsatisfiable') {
    const outside = { ...headers, 'content-range': `bytes */${size}` };
    return new Response(null, { status: 416, headers: outside });
  }
  const { start, end } = range ?? { start: 0, end: size };
  const empty = request.method === 'HEAD' || end === start;
  const body = empty ? null : read({ start, end });
  return new Response(body as BodyInit | null, {
    status: range ? 206 : 200,
    headers: range ? { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` } : headers,
  });
}
