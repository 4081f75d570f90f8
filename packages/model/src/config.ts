/**
 * config.json and generation_config.json of a checkpoint. Both styles in the wild are read:
 * `rope_theta`, `rope_scaling`, `torch_dtype` at the top level, and `rope_parameters`, `dtype`.
 * What the stage graph would not honour is refused by name, never ignored.
 */
import { integer, invalid, isObject, type Json, unsupported } from './config/fields.ts';
import { readRope } from './config/rope.ts';
import { refuseSlidingWindow } from './config/window.ts';
import { ModelError } from './errors.ts';
import { FAMILIES } from './families/families.ts';
import type { Family, ModelConfig } from './families/family.ts';
import { FP8_BLOCK } from './formats/layout.ts';

export type { ModelConfig } from './families/family.ts';

/** Bounds on what a hostile config.json can make us allocate or loop over. */
const LIMITS = {
  /** The deepest published dense models have about 130 layers. */
  layers: 1024,
  /** The widest have 2^14. */
  hidden: 1 << 17,
  heads: 4096,
  headDim: 4096,
  intermediate: 1 << 19,
  /** The largest published vocabularies have 2^18 rows. */
  vocab: 1 << 22,
  /** The longest published contexts have 10^7 positions. */
  context: 1 << 24,
} as const;

/** @param config parsed JSON of config.json */
export function parseConfig(config: unknown): ModelConfig {
  if (!isObject(config)) throw invalid('(root)', config, 'an object');
  const family = readFamily(config);
  refuseUnknownFeatures(config, family);
  const heads = integer(config, 'num_attention_heads', LIMITS.heads);
  const hidden = integer(config, 'hidden_size', LIMITS.hidden);
  const layers = integer(config, 'num_hidden_layers', LIMITS.layers);
  const kvHeads = readKvHeads(config, family, heads);
  if (heads % kvHeads !== 0) {
    throw invalid('num_key_value_heads', kvHeads, `a divisor of num_attention_heads, ${heads}`);
  }
  const headDim = readHeadDim(config, family, hidden / heads);
  if (headDim % 2 !== 0)
    throw invalid('head_dim', headDim, 'an even number: it is rotated in pairs');
  const context = integer(config, 'max_position_embeddings', LIMITS.context);
  refuseSlidingWindow(config, family, { layers, context });
  const normEpsilon = config.rms_norm_eps;
  if (typeof normEpsilon !== 'number' || !(normEpsilon > 0 && normEpsilon < 1)) {
    throw invalid('rms_norm_eps', normEpsilon, 'a number between 0 and 1');
  }
  const tied = config.tie_word_embeddings ?? family.tiedByDefault;
  if (typeof tied !== 'boolean') throw invalid('tie_word_embeddings', tied, 'true or false');
  return {
    family: family.name,
    layers,
    hidden,
    heads,
    kvHeads,
    headDim,
    intermediate: integer(config, 'intermediate_size', LIMITS.intermediate),
    vocab: integer(config, 'vocab_size', LIMITS.vocab),
    context,
    normEpsilon,
    rope: readRope(config, context, family.defaults?.ropeTheta),
    tied,
  };
}

/** null is one for each head; so is a missing number, in the families whose configs leave it out. */
function readKvHeads(config: Json, family: Family, heads: number): number {
  const absent = family.defaults?.kvHeads === 'heads' ? heads : undefined;
  const { num_key_value_heads: stated = absent } = config;
  return stated === null
    ? heads
    : integer({ num_key_value_heads: stated }, 'num_key_value_heads', LIMITS.heads);
}

function readHeadDim(config: Json, family: Family, derived: number): number {
  if (!family.derivesHeadDim || config.head_dim != null) {
    return integer(config, 'head_dim', LIMITS.headDim);
  }
  if (Number.isInteger(derived) && derived <= LIMITS.headDim) return derived;
  throw invalid(
    'hidden_size',
    config.hidden_size,
    'a multiple of num_attention_heads, as there is no head_dim',
  );
}

function readFamily(config: Json): Family {
  const supported = FAMILIES.map((family) => family.architecture);
  const refuse = (architecture: string, why: string) =>
    new ModelError(
      'ARCHITECTURE_UNSUPPORTED',
      { architecture, supported },
      `The checkpoint's architecture is ${architecture}${why}. This build serves dense models of ${supported.join(', ')}.`,
    );
  const { architectures, model_type: modelType } = config;
  if (!Array.isArray(architectures) || architectures.length !== 1) {
    throw invalid('architectures', architectures, 'a list with one name');
  }
  const architecture = String(architectures[0]).slice(0, 100);
  const experts = ['num_experts', 'num_local_experts', 'n_routed_experts'].find(
    (field) => typeof config[field] === 'number' && config[field] > 0,
  );
  if (experts || /moe|mixtral/i.test(architecture)) {
    throw refuse(architecture, ', a mixture of experts');
  }
  const family = FAMILIES.find((candidate) => candidate.architecture === architecture);
  if (!family) throw refuse(architecture, '');
  if (modelType !== undefined && modelType !== family.modelType) {
    throw invalid('model_type', modelType, `"${family.modelType}", as the architecture says`);
  }
  return family;
}

/** The one published quantization that is stored as it is: E4M3 with a scale for each block of 128 x 128. */
function checkQuantization(config: Json): void {
  const method = config.quant_method;
  if (method !== 'fp8') {
    throw unsupported(
      'quantization_config',
      { quant_method: method },
      'of checkpoints that are quantized already, only those in fp8 can be imported; use the original in bf16, f16 or f32.',
    );
  }
  const blocks = [FP8_BLOCK, FP8_BLOCK];
  const expected = { fmt: 'e4m3', activation_scheme: 'dynamic', weight_block_size: blocks };
  for (const [field, value] of Object.entries(expected)) {
    // Without a block size the scales are one for each tensor, which is another format.
    const found = config[field] ?? (field === 'weight_block_size' ? null : value);
    if (JSON.stringify(found) === JSON.stringify(value)) continue;
    const only = `of fp8 checkpoints, only those with ${JSON.stringify(value)} can be imported.`;
    throw unsupported(`quantization_config.${field}`, found, only);
  }
}

function refuseUnknownFeatures(config: Json, family: Family): void {
  if (isObject(config.quantization_config)) checkQuantization(config.quantization_config);
  for (const [field, value] of Object.entries(family.fixed)) {
    const found = config[field] ?? value;
    if (found !== value) {
      throw unsupported(
        field,
        found,
        `${family.name} is served with ${JSON.stringify(value)} only.`,
      );
    }
  }
  const rotary = config.partial_rotary_factor ?? 1;
  if (rotary !== 1) throw unsupported('partial_rotary_factor', rotary, 'heads are rotated whole.');
}

/** What a checkpoint recommends for generating. */
export interface GenerationConfig {
  /** Ids that end an answer, ascending; empty when the checkpoint names none. */
  stopTokens: number[];
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
}

/**
 * @param config parsed config.json
 * @param generation parsed generation_config.json; where it names stop tokens, config.json's don't count
 */
export function parseGenerationConfig(
  config: unknown,
  generation: unknown,
  vocab: number,
): GenerationConfig {
  const own = isObject(generation) ? generation : {};
  const base = isObject(config) ? config : {};
  const eos = own.eos_token_id ?? base.eos_token_id ?? [];
  const ids: unknown[] = Array.isArray(eos) ? eos : [eos];
  if (ids.length > 64) throw invalid('eos_token_id', `${ids.length} ids`, 'at most 64');
  const stopTokens = ids.map((id) => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocab) {
      throw invalid('eos_token_id', id, `token ids below ${vocab}`);
    }
    return id;
  });
  const result: GenerationConfig = { stopTokens: [...new Set(stopTokens)].sort((a, b) => a - b) };
  const optional = (
    field: string,
    key: Exclude<keyof GenerationConfig, 'stopTokens'>,
    max: number,
  ) => {
    const value = own[field];
    if (value === undefined || value === null) return;
    if (typeof value !== 'number' || !(value >= 0 && value <= max)) {
      throw invalid(field, value, `a number from 0 to ${max}`);
    }
    result[key] = value;
  };
  optional('temperature', 'temperature', 100);
  optional('top_k', 'topK', LIMITS.vocab);
  optional('top_p', 'topP', 1);
  optional('min_p', 'minP', 1);
  optional('repetition_penalty', 'repetitionPenalty', 100);
  return result;
}
