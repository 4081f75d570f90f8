/**
 * config.json and generation_config.json of a checkpoint. Both styles in the wild are read:
 * `rope_theta`, `rope_scaling`, `torch_dtype` at the top level, and `rope_parameters`, `dtype`.
 * What the stage graph would not honour is refused by name, never ignored.
 */
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
  /**
   * Of the rotary tables, which every stage holds for the whole context: cosine and sine in f32,
   * `context * head_dim / 2` of each. A context of 2^20 with heads of 128 has just this; 2^24 with the
   * widest heads would ask for 256 GiB.
   */
  ropeTableBytes: 512 * 1024 * 1024,
} as const;

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (field: string, value: unknown, expected: string) =>
  new ModelError(
    'CONFIG_INVALID',
    { field, value: JSON.stringify(value)?.slice(0, 100) ?? 'absent' },
    `config.json: ${field} is ${JSON.stringify(value)?.slice(0, 100) ?? 'absent'}; expected ${expected}.`,
  );

const unsupported = (field: string, value: unknown, what: string) =>
  new ModelError(
    'FEATURE_UNSUPPORTED',
    { field, value: JSON.stringify(value)?.slice(0, 100) },
    `config.json: ${field} = ${JSON.stringify(value)?.slice(0, 100)}: ${what}`,
  );

function integer(config: Json, field: string, max: number): number {
  const value = config[field];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw invalid(field, value, `an integer from 1 to ${max}`);
  }
  return value;
}

/** @param config parsed JSON of config.json */
export function parseConfig(config: unknown): ModelConfig {
  if (!isObject(config)) throw invalid('(root)', config, 'an object');
  const family = readFamily(config);
  refuseUnknownFeatures(config, family);
  const heads = integer(config, 'num_attention_heads', LIMITS.heads);
  const kvHeads = integer(config, 'num_key_value_heads', LIMITS.heads);
  if (heads % kvHeads !== 0) {
    throw invalid('num_key_value_heads', kvHeads, `a divisor of num_attention_heads, ${heads}`);
  }
  const headDim = integer(config, 'head_dim', LIMITS.headDim);
  if (headDim % 2 !== 0)
    throw invalid('head_dim', headDim, 'an even number: it is rotated in pairs');
  const context = integer(config, 'max_position_embeddings', LIMITS.context);
  if (ropeTableBytes({ context, headDim }) > LIMITS.ropeTableBytes) {
    const most = Math.floor(
      (LIMITS.ropeTableBytes * context) / ropeTableBytes({ context, headDim }),
    );
    throw invalid(
      'max_position_embeddings',
      context,
      `at most ${most} with head_dim ${headDim}: every position needs a row in the rotary tables, which may have ${LIMITS.ropeTableBytes} bytes`,
    );
  }
  const normEpsilon = config.rms_norm_eps;
  if (typeof normEpsilon !== 'number' || !(normEpsilon > 0 && normEpsilon < 1)) {
    throw invalid('rms_norm_eps', normEpsilon, 'a number between 0 and 1');
  }
  const tied = config.tie_word_embeddings ?? family.tiedByDefault;
  if (typeof tied !== 'boolean') throw invalid('tie_word_embeddings', tied, 'true or false');
  return {
    family: family.name,
    layers: integer(config, 'num_hidden_layers', LIMITS.layers),
    hidden: integer(config, 'hidden_size', LIMITS.hidden),
    heads,
    kvHeads,
    headDim,
    intermediate: integer(config, 'intermediate_size', LIMITS.intermediate),
    vocab: integer(config, 'vocab_size', LIMITS.vocab),
    context,
    normEpsilon,
    rope: readRope(config),
    tied,
  };
}

/** Cosine and sine, f32, half a head for each position; see stage/rope.ts. */
const ropeTableBytes = ({ context, headDim }: Pick<ModelConfig, 'context' | 'headDim'>) =>
  2 * Float32Array.BYTES_PER_ELEMENT * context * (headDim / 2);

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
  // Before `fixed`, for the clearer sentence.
  if (config.use_sliding_window === true) {
    throw unsupported('use_sliding_window', true, 'sliding-window attention is not served.');
  }
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
  const types = config.layer_types ?? [];
  if (!Array.isArray(types)) throw invalid('layer_types', types, 'a list');
  const other = types.find((type) => type !== 'full_attention');
  if (other !== undefined)
    throw unsupported('layer_types', other, 'only full attention is served.');
  if (types.length > 0 && types.length !== config.num_hidden_layers) {
    throw invalid('layer_types', `${types.length} entries`, 'one entry for each layer');
  }
  const rotary = config.partial_rotary_factor ?? 1;
  if (rotary !== 1) throw unsupported('partial_rotary_factor', rotary, 'heads are rotated whole.');
}

function readRope(config: Json): ModelConfig['rope'] {
  const thetas: unknown[] = [];
  for (const field of ['rope_scaling', 'rope_parameters']) {
    const rope = config[field];
    if (rope === undefined || rope === null) continue;
    if (!isObject(rope)) throw invalid(field, rope, 'an object or null');
    const type = rope.rope_type ?? rope.type ?? 'default';
    if (type !== 'default')
      throw unsupported(`${field}.rope_type`, type, 'rope scaling is not served.');
    const factor = rope.partial_rotary_factor ?? 1;
    if (factor !== 1) throw unsupported(`${field}.partial_rotary_factor`, factor, 'not served.');
    if (rope.rope_theta !== undefined) thetas.push(rope.rope_theta);
  }
  if (config.rope_theta !== undefined) thetas.push(config.rope_theta);
  const theta = thetas[0];
  if (typeof theta !== 'number' || !(theta > 1 && theta < 1e12)) {
    throw invalid('rope_theta', theta, 'a number from 1 to 10^12');
  }
  if (thetas.some((other) => other !== theta)) {
    throw invalid('rope_theta', thetas, 'one value, not two that contradict each other');
  }
  return { type: 'default', theta };
}

/** What a checkpoint recommends for generating. */
export interface GenerationConfig {
  /** Ids that end an answer, ascending; empty when the checkpoint names none. */
  stopTokens: number[];
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
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
  const optional = (field: string, key: 'temperature' | 'topK' | 'topP' | 'minP', max: number) => {
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
  return result;
}
