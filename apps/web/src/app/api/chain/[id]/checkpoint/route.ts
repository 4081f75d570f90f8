import { toBase64 } from '@blyan/chain/base64';
import { openCheckpoint } from '@blyan/chain/checkpoint';
import { readable } from '@blyan/chain/json';
import { ChainParams } from '@blyan/protocol/chain-api';
import { notFound } from '@/server/http/errors';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** The latest signed checkpoint: `bytes` is what was signed and is to be kept; the rest is for people. */
export const GET = route({
  paramsSchema: ChainParams,
  async handler({ params: { id }, ctx }) {
    const head = await ctx.db.chainHead.findUnique({
      where: { chain: id },
      select: { checkpoint: true },
    });
    if (!head) throw notFound('chain_empty', `Chain ${id} has no blocks yet.`);
    const { checkpoint, bytes } = openCheckpoint(head.checkpoint);
    return { ...readable(checkpoint), bytes: toBase64(bytes) };
  },
});
