import { biasedAttention, decoder, swiglu } from './decoder.ts';
import type { Family } from './family.ts';

/** Qwen2 and Qwen2.5 dense: biases on queries, keys and values. */
export const qwen2: Family = {
  name: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  modelType: 'qwen2',
  tiedByDefault: false,
  derivesHeadDim: true,
  windows: 'flagged',
  fixed: { dual_chunk_attention_config: null, hidden_act: 'silu', use_mrope: false },
  ...decoder,
  layer: [...biasedAttention, ...swiglu],
};
