/** What the blocks of the large chain hold: 10,000 tensors, in the layers of one deep model. */
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

/** No bytes are behind these roots: the explorer's lists and searches read none. */
function tensor(group: number, index: number): TensorDescriptor {
  const name = `model.layers.${group}.${NAMES[index]}.weight`;
  const shape = [256 + 64 * (group % 40), 1024];
  const byteLength = 2 * shape[0]! * shape[1]!;
  const root = hash(name);
  return {
    name,
    role: NAMES[index]!.replace('_proj', ''),
    dtype: 'bf16',
    shape,
    format: 'bf16',
    byteLength,
    leafSize: 2 ** 20,
    root,
    source: { file: hash('file'), offset: index * byteLength, length: byteLength, root },
    recipe: { name: 'raw', version: 1 },
  };
}

/** The whole layers first, then blocks of one tensor each, over and over. */
export function layerOf(index: number): LayerBody {
  if (index < GROUPS) {
    const tensors = Array.from({ length: TENSORS_A_GROUP }, (_, i) => tensor(index, i));
    return { group: groupName(index), tensors };
  }
  const at = index % (GROUPS * TENSORS_A_GROUP);
  const group = Math.floor(at / TENSORS_A_GROUP);
  return { group: groupName(group), tensors: [tensor(group, at % TENSORS_A_GROUP)] };
}
