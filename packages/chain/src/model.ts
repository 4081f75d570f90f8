/** From a model block to its layer blocks: the step that makes an answer traceable to its weights. */
import { ChainError } from './errors.ts';
import { toHex } from './hex.ts';
import type { ChainVerifier, VerifiedBlock } from './verify.ts';

/**
 * The layer blocks of a model, in its order: embedding, layer.0 and so on, norm, head if there is one.
 * @throws ChainError MODEL_LAYERS for another order, a missing block, or one of another group
 */
export function resolveModel(
  model: VerifiedBlock<'model'>,
  verifier: ChainVerifier,
): VerifiedBlock<'layer'>[] {
  const { layers } = model.body;
  const count = layers.filter(({ group }) => group.startsWith('layer.')).length;
  const order = ['embedding', ...Array.from({ length: count }, (_, i) => `layer.${i}`), 'norm'];
  if (layers.length > order.length) order.push('head');
  return layers.map(({ group, block: hash }, i) => {
    const where = { chain: model.chain, height: model.height, group, block: toHex(hash) };
    if (group !== order[i] || layers.length !== order.length) {
      throw new ChainError('MODEL_LAYERS', { ...where, reason: `expected ${order.join(', ')}` });
    }
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
