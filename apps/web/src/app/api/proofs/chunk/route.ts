import { ChunkProofQuery } from '@blyan/protocol/explorer';
import { readChunkProof } from '@/server/explorer/proofs';
import { immutableJson } from '@/server/http/bytes';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** That a chunk is in a blob: its leaf, and the path from there to the root. */
export const GET = route({
  querySchema: ChunkProofQuery,
  async handler({ query, request, ctx }) {
    const proof = await readChunkProof(await ctx.store(), query);
    return immutableJson(request, `"${query.root}-${query.index}"`, proof);
  },
});
