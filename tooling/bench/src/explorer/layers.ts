/** What the blocks of the large chain hold: 10,000 tensors, in the layers of two versions of a deep model. */
import { sha256 } from '@blyan/chain/sha256';
import type { Hash, LayerBody, TensorDescriptor } from '@blyan/chain/types';

/** Layers of the model, embedding and norm among them, times tensors of each. */
export const GROUPS = 1000;
export const TENSORS_A_GROUP = 10;
const NAMES = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'self_attn.q_norm',
  'self_attn.k_norm',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
  'input_layernorm',
];

const hash = (text: string): Hash => sha256(new TextEncoder().encode(text));

export const groupName = (index: number) =>
  index === 0 ? 'embedding' : index === GROUPS - 1 ? 'norm' : `layer.${index - 1}`;

const FORMATS = ['bf16', 'q8'] as const;
/** Models of the chain: versions of the same tensors, all of them different. */
export const MODELS = FORMATS.length;

/** No bytes are behind these roots: the explorer's lists and searches read none. */
function tensorOf(group: number, index: number, version: number): TensorDescriptor {
  const name = `model.layers.${group}.${NAMES[index]}.weight`;
  const format = FORMATS[version]!;
  const shape = [256 + 64 * (group % 40), 1024];
  const source = 2 * shape[0]! * shape[1]!;
  // 32 weights and their scale.
  const byteLength = format === 'q8' ? (source / 64) * 34 : source;
  return {
    name,
    role: NAMES[index]!.replace('_proj', ''),
    dtype: 'bf16',
    shape,
    format,
    byteLength,
    leafSize: 2 ** 20,
    root: hash(`${name} ${format}`),
    source: { file: hash('file'), offset: index * source, length: source, root: hash(name) },
    recipe: { name: format === 'bf16' ? 'raw' : format, version: 1 },
  };
}

/** One of the 10,000 tensors, as the first model has them. */
export const tensorAt = (index: number): TensorDescriptor =>
  tensorOf(Math.floor(index / TENSORS_A_GROUP), index % TENSORS_A_GROUP, 0);

/** The layers of the models first, then blocks of one tensor each, over and over. */
export function layerOf(index: number): LayerBody {
  const group = index % GROUPS;
  if (index < MODELS * GROUPS) {
    const version = Math.floor(index / GROUPS);
    const tensors = Array.from({ length: TENSORS_A_GROUP }, (_, i) => tensorOf(group, i, version));
    return { group: groupName(group), tensors };
  }
  const at = index % (GROUPS * TENSORS_A_GROUP);
  return { group: groupName(Math.floor(at / TENSORS_A_GROUP)), tensors: [tensorAt(at)] };
}
