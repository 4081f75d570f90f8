import { BlocksQuery } from '@blyan/protocol/api';
import { ChainId } from '@blyan/protocol/ids';
import { z } from 'zod';
import { readPage } from '@/server/chain/read';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** With `bodies=1` each block is in the wire shape, as programs verify it; else headers for people. */
export const GET = route({
  paramsSchema: z.object({ id: ChainId }),
  querySchema: BlocksQuery,
  handler: ({ params, query, ctx }) => readPage(ctx.db, params.id, query),
});
