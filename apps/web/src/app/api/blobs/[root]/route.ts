import { Readable } from 'node:stream';
import { BlobParams } from '@blyan/protocol/chain-api';
import { immutableBytes } from '@/server/http/bytes';
import { notFound } from '@/server/http/errors';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** Raw bytes; whoever fetches them verifies them against the root. Content under a hash never changes. */
export const GET = route({
  paramsSchema: BlobParams,
  async handler({ params: { root }, request, ctx }) {
    const store = await ctx.store();
    const info = await store.stat(root);
    if (!info) throw notFound('blob_missing', `There is no blob with root ${root} here.`, 'root');
    return immutableBytes(request, {
      etag: `"${root}"`,
      size: info.byteLength,
      read: (range) => Readable.toWeb(store.read(root, range)) as ReadableStream<Uint8Array>,
    });
  },
});

export const HEAD = GET;
