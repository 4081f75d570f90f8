import { BlobParams } from '@blyan/protocol/chain-api';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** SHA-256 leaf hashes, 32 bytes each: checked against the root once, then a chunk at a time. */
export const GET = route({
  paramsSchema: BlobParams,
  async handler({ params: { root }, ctx }) {
    const store = await ctx.store();
    const leaves = await store.leaves(root);
    return new Response(leaves as Uint8Array<ArrayBuffer>, {
      headers: {
        'content-type': 'application/octet-stream',
        'cache-control': 'public, max-age=31536000, immutable',
        etag: `"${root}-leaves"`,
      },
    });
  },
});
