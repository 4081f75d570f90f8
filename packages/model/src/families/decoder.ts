/** Rows that the served families share: they all name their tensors alike. */
import type { Dimension, Family, TensorRole, TensorRow } from './family.ts';

const of = (role: TensorRole, part: string, shape: readonly Dimension[]): TensorRow => [
  role,
  `model.layers.{i}.${part}`,
  shape,
];

const norm = of('attention.norm', 'input_layernorm.weight', ['hidden']);
const query = of('attention.query', 'self_attn.q_proj.weight', ['query', 'hidden']);
const key = of('attention.key', 'self_attn.k_proj.weight', ['key', 'hidden']);
const value = of('attention.value', 'self_attn.v_proj.weight', ['key', 'hidden']);
const output = of('attention.output', 'self_attn.o_proj.weight', ['hidden', 'query']);

/** Grouped-query attention without biases or norms of its own. */
export const plainAttention = [norm, query, key, value, output];

/** With a bias on queries, keys and values; none on the output. */
export const biasedAttention = [
  norm,
  query,
  of('attention.query_bias', 'self_attn.q_proj.bias', ['query']),
  key,
  of('attention.key_bias', 'self_attn.k_proj.bias', ['key']),
  value,
  of('attention.value_bias', 'self_attn.v_proj.bias', ['key']),
  output,
];

/** With an RMS norm of each query and key head. */
export const normedAttention = [
  ...plainAttention,
  of('attention.query_norm', 'self_attn.q_norm.weight', ['headDim']),
  of('attention.key_norm', 'self_attn.k_norm.weight', ['headDim']),
];

export const swiglu = [
  of('mlp.norm', 'post_attention_layernorm.weight', ['hidden']),
  of('mlp.gate', 'mlp.gate_proj.weight', ['intermediate', 'hidden']),
  of('mlp.up', 'mlp.up_proj.weight', ['intermediate', 'hidden']),
  of('mlp.down', 'mlp.down_proj.weight', ['hidden', 'intermediate']),
];

/** What surrounds the layers. */
export const decoder = {
  embedding: ['embedding', 'model.embed_tokens.weight', ['vocab', 'hidden']],
  norm: ['norm', 'model.norm.weight', ['hidden']],
  head: ['head', 'lm_head.weight', ['vocab', 'hidden']],
  ignored: [/^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/],
} as const satisfies Partial<Family>;
