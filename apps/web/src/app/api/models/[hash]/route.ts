import { ModelParams } from '@blyan/protocol/chain-api';
import { readModel } from '@/server/explorer/models';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** One model with its sizes; its block is `/chain/A/block/{hash}`. */
export const GET = route({
  paramsSchema: ModelParams,
  handler: ({ params: { hash }, ctx }) => readModel(ctx, hash),
});
