import { ConsistencyQuery } from '@blyan/protocol/explorer';
import { readConsistency } from '@/server/explorer/proofs';
import { immutableJson } from '@/server/http/bytes';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** That the log of `to` blocks begins with that of `from`: for good when `to` is named. */
export const GET = route({
  querySchema: ConsistencyQuery,
  async handler({ query, request, ctx }) {
    const proof = await readConsistency(ctx.db, query);
    if (query.to === undefined) return proof;
    return immutableJson(request, `"consistency-${query.chain}-${query.from}-${query.to}"`, proof);
  },
});
