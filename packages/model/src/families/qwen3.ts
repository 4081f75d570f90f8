import { decoder, normedAttention, swiglu } from './decoder.ts';
import type { Family } from './family.ts';

/** Qwen3 dense: grouped-query attention with RMS norms on each query and key head, SwiGLU. */
export const qwen3: Family = {
  name: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  modelType: 'qwen3',
  tiedByDefault: false,
  derivesHeadDim: false,
  windows: 'flagged',
  fixed: { dual_chunk_attention_config: null, attention_bias: false, hidden_act: 'silu' },
  ...decoder,
  layer: [...normedAttention, ...swiglu],
};
