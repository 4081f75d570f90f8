import { decoder, plainAttention, swiglu } from './decoder.ts';
import type { Family } from './family.ts';

/** Mistral dense, from the version on that dropped the sliding window. */
export const mistral: Family = {
  name: 'mistral',
  architecture: 'MistralForCausalLM',
  modelType: 'mistral',
  tiedByDefault: false,
  derivesHeadDim: true,
  windows: { absent: 4096 },
  fixed: { attention_bias: false, hidden_act: 'silu', mlp_bias: false },
  ...decoder,
  layer: [...plainAttention, ...swiglu],
};
