import { BlobParams } from '@blyan/protocol/chain-api';
import { readTensor } from '@/server/explorer/tensors';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** One tensor by the Merkle root of its bytes, which are `/blobs/{root}`. */
export const GET = route({
  paramsSchema: BlobParams,
  handler: ({ params: { root }, ctx }) => readTensor(ctx, root),
});
