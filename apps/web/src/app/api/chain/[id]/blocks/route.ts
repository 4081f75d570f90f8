import { BlocksQuery } from '@blyan/protocol/api';
import { ChainParams } from '@blyan/protocol/chain-api';
import { readPage } from '@/server/chain/read';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** With `bodies=1` each block is in the wire shape, as programs verify it; else headers for people. */
export const GET = route({
  paramsSchema: ChainParams,
  querySchema: BlocksQuery,
  handler: ({ params, query, ctx }) => readPage(ctx.db, params.id, query),
});
