import { NodeParams } from '@blyan/protocol/chain-api';
import { readNode } from '@/server/explorer/nodes';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** A worker that has registered here. */
export const GET = route({
  paramsSchema: NodeParams,
  handler: ({ params: { id }, ctx }) => readNode(ctx, id),
});
