/** All families that this build can serve, and what a checkpoint of one must hold. */
import { ModelError } from '../errors.ts';
import type { Dimension, Family, ModelConfig, TensorRole, TensorRow } from './family.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

export const FAMILIES: readonly Family[] = [qwen3, qwen2, llama, mistral];

export function familyOf(config: Pick<ModelConfig, 'family'>): Family {
  const family = FAMILIES.find(({ name }) => name === config.family);
  if (!family) {
    throw new ModelError(
      'ARCHITECTURE_UNSUPPORTED',
      { family: config.family, supported: FAMILIES.map(({ name }) => name) },
      `This build does not know the model family "${config.family}".`,
    );
  }
  return family;
}

export interface ExpectedTensor {
  /** `embedding`, `layer.N`, `norm` or `head`. */
  group: string;
  /** Name in the checkpoint. */
  name: string;
  role: TensorRole;
  /** Row-major, as in the checkpoint. */
  shape: number[];
}

/** Every tensor of a checkpoint in chain order: embedding, layers, norm, head (none when tied). */
export function expectedTensors(config: ModelConfig): ExpectedTensor[] {
  const family = familyOf(config);
  const size: Record<Dimension, number> = {
    hidden: config.hidden,
    vocab: config.vocab,
    headDim: config.headDim,
    query: config.heads * config.headDim,
    key: config.kvHeads * config.headDim,
    intermediate: config.intermediate,
  };
  const tensor = ([role, name, shape]: TensorRow, group: string, layer = ''): ExpectedTensor => ({
    group,
    name: name.replace('{i}', layer),
    role,
    shape: shape.map((dimension) => size[dimension]),
  });
  const list = [tensor(family.embedding, 'embedding')];
  for (let i = 0; i < config.layers; i++) {
    for (const row of family.layer) list.push(tensor(row, `layer.${i}`, String(i)));
  }
  list.push(tensor(family.norm, 'norm'));
  if (!config.tied) list.push(tensor(family.head, 'head'));
  return list;
}
