import { SearchQuery } from '@blyan/protocol/explorer';
import { search } from '@/server/explorer/search';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** A height, a hash or its beginning, a tensor, layer, model, node or receipt. */
export const GET = route({
  querySchema: SearchQuery,
  handler: ({ query, ctx }) => search(ctx.db, query.q),
});
