/** One tensor: its descriptor out of the newest block that holds it, and everything that uses it. */
import { isType } from '@blyan/chain/block';
import { equalBytes, fromHex, toHex } from '@blyan/chain/hex';
import { readable } from '@blyan/chain/json';
import { leafCount } from '@blyan/chain/merkle';
import type { Db } from '@blyan/db/client';
import { countAnswers, type TensorUse as DbTensorUse, MAX_ANSWERS } from '@blyan/db/explorer';
import { type ModelOfTensor, modelsOfTensor, usesOfTensor } from '@blyan/db/tensor-uses';
import type { TensorDetails, TensorUse, TensorUsesQuery } from '@blyan/protocol/explorer';
import { readBlock } from '../chain/read.ts';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';
import { cursorText, MAX_INT, placeIn } from './places.ts';
import { modelSummary, tensorSummary } from './shapes.ts';

/** Blocks and models of one answer: more are on the pages of the blocks. */
const MAX_USES = 50;
export const MAX_MODELS = 50;

/** @throws ApiError 404 */
export async function readTensor(
  ctx: Pick<Context, 'db' | 'parsed'>,
  root: string,
): Promise<TensorDetails> {
  const { db } = ctx;
  const hash = fromHex(root);
  const [found, allModels] = await Promise.all([
    usesOfTensor(db, hash, { limit: MAX_USES, cursor: null }),
    modelsOfTensor(db, hash, MAX_MODELS + 1),
  ]);
  const [newest] = found.rows;
  if (!newest) throw unknownTensor(root);
  const models = allModels.slice(0, MAX_MODELS);
  const [block, answers] = await Promise.all([
    readBlock(ctx, 'B', toHex(newest.block)),
    countAnswers(
      db,
      models.map((model) => model.hash),
    ),
  ]);
  const tensors = isType(block, 'layer') ? block.body.tensors : [];
  const descriptor = tensors.find((tensor) => equalBytes(tensor.root, hash));
  if (!descriptor) throw unknownTensor(root);
  return {
    ...tensorSummary(newest),
    leafSize: descriptor.leafSize,
    chunks: leafCount(descriptor.byteLength),
    recipe: descriptor.recipe,
    source: readable(descriptor.source),
    uses: found.rows.map(useOf),
    moreUses: found.next !== null,
    models: models.map((model) => ({ ...modelSummary(model), layer: layerOf(model) })),
    moreModels: allModels.length > MAX_MODELS,
    answers: { count: answers, more: answers === MAX_ANSWERS },
  };
}

/** @throws ApiError 400, 404 */
export async function readUses(db: Db, root: string, query: TensorUsesQuery) {
  const cursor = placeIn(query.cursor, MAX_INT);
  const { rows, next } = await usesOfTensor(db, fromHex(root), { limit: query.limit, cursor });
  if (rows.length === 0 && !cursor) throw unknownTensor(root);
  return { uses: rows.map(useOf), next: cursorText(next) };
}

const unknownTensor = (root: string) =>
  notFound('tensor_not_found', `No block holds a tensor ${root}.`, 'root');

const useOf = ({ block, height, group, name }: DbTensorUse): TensorUse => ({
  block: toHex(block),
  height,
  group,
  name,
});

const layerOf = ({ block, layerHeight, group, tensor }: ModelOfTensor) => ({
  block: toHex(block),
  height: layerHeight,
  group,
  name: tensor,
});
