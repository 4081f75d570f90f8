import type { Family } from './family.ts';

/** Qwen3 dense: grouped-query attention with RMS norms on each query and key head, SwiGLU. */
export const qwen3: Family = {
  name: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  modelType: 'qwen3',
  tiedByDefault: false,
  fixed: { attention_bias: false, hidden_act: 'silu', use_sliding_window: false },
  embedding: ['embedding', 'model.embed_tokens.weight', ['vocab', 'hidden']],
  layer: [
    ['attention.norm', 'model.layers.{i}.input_layernorm.weight', ['hidden']],
    ['attention.query', 'model.layers.{i}.self_attn.q_proj.weight', ['query', 'hidden']],
    ['attention.key', 'model.layers.{i}.self_attn.k_proj.weight', ['key', 'hidden']],
    ['attention.value', 'model.layers.{i}.self_attn.v_proj.weight', ['key', 'hidden']],
    ['attention.output', 'model.layers.{i}.self_attn.o_proj.weight', ['hidden', 'query']],
    ['attention.query_norm', 'model.layers.{i}.self_attn.q_norm.weight', ['headDim']],
    ['attention.key_norm', 'model.layers.{i}.self_attn.k_norm.weight', ['headDim']],
    ['mlp.norm', 'model.layers.{i}.post_attention_layernorm.weight', ['hidden']],
    ['mlp.gate', 'model.layers.{i}.mlp.gate_proj.weight', ['intermediate', 'hidden']],
    ['mlp.up', 'model.layers.{i}.mlp.up_proj.weight', ['intermediate', 'hidden']],
    ['mlp.down', 'model.layers.{i}.mlp.down_proj.weight', ['hidden', 'intermediate']],
  ],
  norm: ['norm', 'model.norm.weight', ['hidden']],
  head: ['head', 'lm_head.weight', ['vocab', 'hidden']],
  ignored: [/^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/],
};
