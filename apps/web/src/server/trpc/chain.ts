import { isType } from '@blyan/chain/block';
import { toHex } from '@blyan/chain/hex';
import { readable, readableBlock } from '@blyan/chain/json';
import { chainSummary } from '@blyan/db/explorer';
import { MAX_PAGE } from '@blyan/protocol/api';
import { ChainId } from '@blyan/protocol/ids';
import { z } from 'zod';
import { LISTED_LAYERS } from '../../lib/listed-layers.ts';
import { chainSize, heightsOf, readBlock, readHeads } from '../chain/read.ts';
import { freshCluster, servedHashes } from '../cluster.ts';
import { chooseModel } from '../model/choose.ts';
import { procedure, router } from './init.ts';

const CHAINS = ['A', 'B', 'L'] as const;

export const chainRouter = router({
  /** Size, authors and newest header of each chain. */
  heads: procedure.query(({ ctx }) =>
    Promise.all(
      CHAINS.map(async (chain) => {
        const summary = await chainSummary(ctx.db, chain);
        const size = summary?.size ?? 0;
        const [head] = size > 0 ? await readHeads(ctx.db, chain, size - 1, size) : [];
        const bytes = Number(summary?.bytes ?? 0);
        return {
          chain,
          size,
          bytes,
          authors: summary?.authors.map(toHex) ?? [],
          head: head ?? null,
        };
      }),
    ),
  ),

  /** Newest first; `before` is a height, exclusive. */
  blocks: procedure
    .input(
      z.object({
        chain: ChainId,
        before: z.number().int().min(0).optional(),
        limit: z.number().int().min(1).max(MAX_PAGE).default(25),
      }),
    )
    .query(async ({ ctx, input: { chain, before, limit } }) => {
      const size = await chainSize(ctx.db, chain);
      const end = Math.min(before ?? size, size);
      const start = Math.max(0, end - limit);
      const blocks = (await readHeads(ctx.db, chain, start, end)).reverse();
      return { size, blocks, before: start > 0 ? start : null };
    }),

  /** One block, opened, with the heights of blocks that its body names, of layers the first ones. */
  block: procedure
    .input(z.object({ chain: ChainId, ref: z.string().max(64) }))
    .query(async ({ ctx, input }) => {
      const [block, size] = await Promise.all([
        readBlock(ctx, input.chain, input.ref),
        chainSize(ctx.db, input.chain),
      ]);
      const named = isType(block, 'model')
        ? block.body.layers.slice(0, LISTED_LAYERS).map((layer) => layer.block)
        : [];
      if (block.header.anchor) named.push(block.header.anchor);
      const heights = named.length > 0 ? await heightsOf(ctx.db, named) : new Map<string, number>();
      const { header, body, signature } = block.sealed;
      const totalBytes = header.length + body.length + signature.length;
      return { ...readableBlock(block), totalBytes, size, heights };
    }),

  /** The model that answers now and where its weights are; null when the chain has none. */
  servedModel: procedure.query(async ({ ctx }) => {
    const [models, cluster] = await Promise.all([ctx.models.list(), freshCluster(ctx.redis)]);
    const model = chooseModel(models, ctx.config.modelName, servedHashes(cluster));
    if (!model) return null;
    const { body, height, header } = model.block;
    const first = body.layers[0]?.block;
    const last = body.layers.at(-1)?.block;
    const heights = first && last ? await heightsOf(ctx.db, [first, last]) : new Map();
    const ref = (hash: Uint8Array | undefined) =>
      hash ? { hash: toHex(hash), height: heights.get(toHex(hash)) ?? null } : null;
    return {
      name: model.name,
      hash: model.hash,
      height,
      time: header.time,
      parameters: body.parameters,
      family: body.family,
      layerBlocks: body.layers.length,
      first: ref(first),
      last: ref(last),
      recipe: readable(body.recipe),
    };
  }),
});
