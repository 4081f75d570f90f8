/** One tensor: its descriptor out of the newest block that holds it, and everything that uses it. */
import { isType } from '@blyan/chain/block';
import { equalBytes, fromHex, toHex } from '@blyan/chain/hex';
import { readable } from '@blyan/chain/json';
import { leafCount } from '@blyan/chain/merkle';
import { countAnswers, MAX_ANSWERS, modelsOfLayers, usesOfTensor } from '@blyan/db/explorer';
import type { TensorDetails } from '@blyan/protocol/explorer';
import { readBlock } from '../chain/read.ts';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';
import { modelSummary, tensorSummary } from './shapes.ts';

/** Blocks and models of one answer: more are on the pages of the blocks. */
const MAX_USES = 50;
const MAX_MODELS = 50;

/** @throws ApiError 404 */
export async function readTensor(
  ctx: Pick<Context, 'db' | 'parsed'>,
  root: string,
): Promise<TensorDetails> {
  const { db } = ctx;
  const hash = fromHex(root);
  const found = await usesOfTensor(db, hash, MAX_USES + 1);
  const [newest] = found;
  if (!newest) throw notFound('tensor_not_found', `No block holds a tensor ${root}.`, 'root');
  const uses = found.slice(0, MAX_USES);
  const [block, models] = await Promise.all([
    readBlock(ctx, 'B', toHex(newest.block)),
    modelsOfLayers(
      db,
      uses.map((use) => use.height),
      MAX_MODELS,
    ),
  ]);
  const once = [...new Map(models.map((model) => [model.height, model])).values()];
  const answers = await countAnswers(
    db,
    once.map((model) => model.hash),
  );
  const tensors = isType(block, 'layer') ? block.body.tensors : [];
  const descriptor = tensors.find((tensor) => equalBytes(tensor.root, hash));
  if (!descriptor) throw notFound('tensor_not_found', `No block holds a tensor ${root}.`, 'root');
  return {
    ...tensorSummary(newest),
    leafSize: descriptor.leafSize,
    chunks: leafCount(descriptor.byteLength),
    recipe: descriptor.recipe,
    source: readable(descriptor.source),
    uses: uses.map((use) => ({
      block: toHex(use.block),
      height: use.height,
      group: use.group,
      name: use.name,
    })),
    moreUses: found.length > MAX_USES,
    models: once.map(modelSummary),
    answers: { count: answers, more: answers === MAX_ANSWERS },
  };
}
