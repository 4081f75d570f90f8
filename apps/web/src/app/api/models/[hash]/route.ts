import { Hash } from '@blyan/protocol/ids';
import { z } from 'zod';
import { readModel } from '@/server/explorer/models';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** One model with its sizes; its block is `/chain/A/block/{hash}`. */
export const GET = route({
  paramsSchema: z.object({ hash: Hash }),
  handler: ({ params: { hash }, ctx }) => readModel(ctx.db, hash),
});
