import { Readable } from 'node:stream';
import { BlobParams } from '@blyan/protocol/chain-api';
import { notFound } from '@/server/http/errors';
import { parseRange } from '@/server/http/range';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** Raw bytes; whoever fetches them verifies them against the root. Content under a hash never changes. */
export const GET = route({
  paramsSchema: BlobParams,
  async handler({ params: { root }, request, ctx }) {
    const store = await ctx.store();
    const info = await store.stat(root);
    if (!info) throw notFound('blob_missing', `There is no blob with root ${root} here.`, 'root');
    const size = info.byteLength;
    const etag = `"${root}"`;
    const headers = {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
      etag,
      // Next.js sends bodies chunked and drops Content-Length.
      'x-blob-length': String(size),
    };
    if (request.headers.get('if-none-match') === etag)
      return new Response(null, { status: 304, headers });
    // A range of another version would be useless; there is one version only.
    const ifRange = request.headers.get('if-range');
    const wanted = ifRange === null || ifRange === etag ? request.headers.get('range') : null;
    const range = parseRange(wanted, size);
    if (range === 'unsatisfiable')
      return new Response(null, {
        status: 416,
        headers: { ...headers, 'content-range': `bytes */${size}` },
      });
    const { start, end } = range ?? { start: 0, end: size };
    const body =
      request.method === 'HEAD' || end === start
        ? null
        : (Readable.toWeb(store.read(root, { start, end })) as ReadableStream<Uint8Array>);
    return new Response(body, {
      status: range ? 206 : 200,
      headers: {
        ...headers,
        ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
      },
    });
  },
});

export const HEAD = GET;
