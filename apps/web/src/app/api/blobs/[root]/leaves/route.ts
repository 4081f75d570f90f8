import { BlobParams } from '@blyan/protocol/chain-api';
import { immutableBytes } from '@/server/http/bytes';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** SHA-256 leaf hashes, 32 bytes each: checked against the root once, then a chunk at a time. */
export const GET = route({
  paramsSchema: BlobParams,
  async handler({ params: { root }, request, ctx }) {
    const store = await ctx.store();
    const leaves = await store.leaves(root);
    return immutableBytes(request, {
      etag: `"${root}-leaves"`,
      size: leaves.length,
      read: ({ start, end }) => leaves.subarray(start, end),
    });
  },
});

export const HEAD = GET;
