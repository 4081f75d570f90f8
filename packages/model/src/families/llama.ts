import { decoder, plainAttention, swiglu } from './decoder.ts';
import type { Family } from './family.ts';

/** Llama 2 and 3. The first published configs leave out theta and, with one KV head a head, their number. */
export const llama: Family = {
  name: 'llama',
  architecture: 'LlamaForCausalLM',
  modelType: 'llama',
  tiedByDefault: false,
  derivesHeadDim: true,
  defaults: { kvHeads: 'heads', ropeTheta: 10_000 },
  windows: { absent: null },
  fixed: { attention_bias: false, hidden_act: 'silu', mlp_bias: false },
  ...decoder,
  layer: [...plainAttention, ...swiglu],
};
