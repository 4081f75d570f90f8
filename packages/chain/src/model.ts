/** From a model block to its layer blocks: the step that makes an answer traceable to its weights. */
import { ChainError, type ChainErrorDetails } from './errors.ts';
import { toHex } from './hex.ts';
import type { ModelBody } from './types.ts';
import type { ChainVerifier, VerifiedBlock } from './verify.ts';

/**
 * The layer blocks of a model, in its order: embedding, layer.0 and so on, norm, head if there is one.
 * @throws ChainError MODEL_LAYERS for another order, a missing block, or one of another group
 */
export function resolveModel(
  model: VerifiedBlock<'model'>,
  verifier: ChainVerifier,
): VerifiedBlock<'layer'>[] {
  const at = { chain: model.chain, height: model.height };
  checkLayerOrder(model.body, at);
  return model.body.layers.map(({ group, block: hash }) => {
    const where = { ...at, group, block: toHex(hash) };
    const block = verifier.byHash(hash);
    if (!block?.isType('layer')) {
      throw new ChainError('MODEL_LAYERS', { ...where, reason: 'no layer block has this hash' });
    }
    if (block.body.group !== group) {
      throw new ChainError('MODEL_LAYERS', { ...where, reason: `it holds ${block.body.group}` });
    }
    return block;
  });
}

/** That the groups which a model names are in their order. @throws ChainError MODEL_LAYERS */
export function checkLayerOrder({ layers }: ModelBody, where: ChainErrorDetails = {}): void {
  const count = layers.filter(({ group }) => group.startsWith('layer.')).length;
  const order = ['embedding', ...Array.from({ length: count }, (_, i) => `layer.${i}`), 'norm'];
  if (layers.length > order.length) order.push('head');
  const wrong = layers.find(({ group }, i) => group !== order[i]);
  if (!wrong && layers.length === order.length) return;
  const entry = wrong && { group: wrong.group, block: toHex(wrong.block) };
  throw new ChainError('MODEL_LAYERS', {
    ...where,
    ...entry,
    reason: `expected ${order.join(', ')}`,
  });
}
