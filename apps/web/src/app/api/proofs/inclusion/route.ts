import { InclusionQuery } from '@blyan/protocol/explorer';
import { readInclusion } from '@/server/explorer/proofs';
import { immutableJson } from '@/server/http/bytes';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** That a block is in the log of the first `size` blocks: for good when the size is named. */
export const GET = route({
  querySchema: InclusionQuery,
  async handler({ query, request, ctx }) {
    const proof = await readInclusion(ctx.db, query);
    if (query.size === undefined) return proof;
    return immutableJson(
      request,
      `"inclusion-${query.chain}-${query.height}-${query.size}"`,
      proof,
    );
  },
});
