import { readableBlock, toWire } from '@blyan/chain/json';
import { BlockParams } from '@blyan/protocol/chain-api';
import { readBlock } from '@/server/chain/read';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** The block for people, and under `wire` its exact bytes. By hash it can never change. */
export const GET = route({
  paramsSchema: BlockParams,
  async handler({ params: { id, ref }, ctx }) {
    const block = await readBlock(ctx.db, id, ref);
    return Response.json(
      { ...readableBlock(block), wire: toWire(block) },
      {
        headers: {
          'cache-control':
            ref.length === 64 ? 'public, max-age=31536000, immutable' : 'public, max-age=5',
        },
      },
    );
  },
});
