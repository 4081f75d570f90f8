import { describe, expect, test } from 'vitest';
import { parseConfig, parseGenerationConfig } from '../src/config.ts';
import { ModelError } from '../src/errors.ts';
import { expectedTensors } from '../src/families/families.ts';
import { readModelFiles } from '../src/files.ts';
import { qwen3Config, qwen3Tensors, SMALL } from '../src/testing.ts';

const base = qwen3Config(SMALL);
const { rope_theta, rope_scaling, torch_dtype, ...rest } = base;
const newer = { ...rest, rope_parameters: { rope_theta, rope_type: 'default' }, dtype: 'bfloat16' };

const refusal = (config: unknown): ModelError => {
  try {
    parseConfig(config);
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  return expect.fail('it was accepted');
};

test('both styles of config.json say the same', () => {
  expect(parseConfig(newer)).toEqual(parseConfig(base));
  expect(parseConfig({ ...newer, rope_theta: 10000 })).toEqual(parseConfig(base));
  expect(parseConfig({ ...base, rope_scaling: { type: 'default' } })).toEqual(parseConfig(base));
  expect(parseConfig(base)).toMatchObject({
    family: 'qwen3',
    hidden: 64,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    context: 256,
    rope: { type: 'default', theta: 10000 },
    tied: false,
  });
});

test('the longest published contexts are read, and longer ones refused', () => {
  const long = { ...base, head_dim: 128, max_position_embeddings: 1 << 24 };
  expect(parseConfig(long).context).toBe(1 << 24);
  const { code, message } = refusal({ ...long, max_position_embeddings: (1 << 24) + 1 });
  expect(code).toBe('CONFIG_INVALID');
  expect(message).toMatch(/max_position_embeddings/);
});

describe('what is refused by name', () => {
  const cases: [comment: string, code: string, text: RegExp, edit: Record<string, unknown>][] = [
    [
      'a mixture of experts',
      'ARCHITECTURE_UNSUPPORTED',
      /Qwen3MoeForCausalLM, a mixture of experts.*Qwen3ForCausalLM/,
      { architectures: ['Qwen3MoeForCausalLM'], model_type: 'qwen3_moe', num_experts: 128 },
    ],
    [
      'experts under a dense name',
      'ARCHITECTURE_UNSUPPORTED',
      /a mixture of experts/,
      { num_local_experts: 8 },
    ],
    [
      'another family',
      'ARCHITECTURE_UNSUPPORTED',
      /GPT2LMHeadModel/,
      { architectures: ['GPT2LMHeadModel'] },
    ],
    ['no architecture', 'CONFIG_INVALID', /architectures/, { architectures: undefined }],
    ['a contradicting model_type', 'CONFIG_INVALID', /model_type/, { model_type: 'llama' }],
    [
      'weights that are quantized already',
      'FEATURE_UNSUPPORTED',
      /quantization_config.*fp8/,
      { quantization_config: { quant_method: 'fp8' } },
    ],
    ['sliding windows', 'FEATURE_UNSUPPORTED', /sliding-window/, { use_sliding_window: true }],
    [
      'layers with a sliding window',
      'FEATURE_UNSUPPORTED',
      /layer_types.*sliding_attention/,
      { layer_types: ['full_attention', 'sliding_attention'] },
    ],
    ['too few layer types', 'CONFIG_INVALID', /layer_types/, { layer_types: ['full_attention'] }],
    [
      'an unknown rope type',
      'FEATURE_UNSUPPORTED',
      /rope_scaling\.rope_type = "longrope".*default, linear, llama3, yarn/,
      { rope_scaling: { rope_type: 'longrope', factor: 4 } },
    ],
    ['partial rotation', 'FEATURE_UNSUPPORTED', /partial_rotary/, { partial_rotary_factor: 0.5 }],
    ['attention bias', 'FEATURE_UNSUPPORTED', /attention_bias/, { attention_bias: true }],
    ['another activation', 'FEATURE_UNSUPPORTED', /hidden_act/, { hidden_act: 'gelu' }],
    ['two thetas', 'CONFIG_INVALID', /rope_theta/, { rope_parameters: { rope_theta: 5 } }],
    ['no theta', 'CONFIG_INVALID', /rope_theta/, { rope_theta: undefined }],
    ['no head_dim', 'CONFIG_INVALID', /head_dim is absent/, { head_dim: undefined }],
    ['an odd head_dim', 'CONFIG_INVALID', /head_dim/, { head_dim: 15 }],
    [
      'heads that do not divide',
      'CONFIG_INVALID',
      /num_key_value_heads/,
      { num_key_value_heads: 3 },
    ],
    ['a hundred million layers', 'CONFIG_INVALID', /num_hidden_layers/, { num_hidden_layers: 1e8 }],
    ['a fractional width', 'CONFIG_INVALID', /hidden_size/, { hidden_size: 64.5 }],
    ['an epsilon of zero', 'CONFIG_INVALID', /rms_norm_eps/, { rms_norm_eps: 0 }],
    ['tied as text', 'CONFIG_INVALID', /tie_word_embeddings/, { tie_word_embeddings: 'yes' }],
  ];
  test.each(cases)('%s: %s', (_, code, text, edit) => {
    const error = refusal({ ...base, ...edit });
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
  });

  test.each([null, [], 'text', 3])('a config that is %j', (config) => {
    expect(refusal(config).code).toBe('CONFIG_INVALID');
  });
});

test('recommendations are read, and refused when they are none', () => {
  const own = { temperature: 0.7, top_k: 20, top_p: 0.8, min_p: 0, repetition_penalty: 1.05 };
  expect(parseGenerationConfig({}, own, 100)).toEqual({
    stopTokens: [],
    temperature: 0.7,
    topK: 20,
    topP: 0.8,
    minP: 0,
    repetitionPenalty: 1.05,
  });
  expect(() => parseGenerationConfig({}, { repetition_penalty: -1 }, 100)).toThrow(ModelError);
});

test('stop tokens: a number or a list, of generation_config.json before config.json', () => {
  const stops = (generation: unknown, config: unknown = { eos_token_id: 7 }) =>
    parseGenerationConfig(config, generation, 100).stopTokens;
  expect(stops({ eos_token_id: 3 })).toEqual([3]);
  expect(stops({ eos_token_id: [5, 3, 5] })).toEqual([3, 5]);
  expect(stops({})).toEqual([7]);
  expect(stops(null, { eos_token_id: null })).toEqual([]);
  expect(() => stops({ eos_token_id: 100 })).toThrow(/below 100/);
  expect(() => stops({ eos_token_id: ['2'] })).toThrow(/eos_token_id/);
  const sampling = parseGenerationConfig({}, { temperature: 0.6, top_k: 20, top_p: 0.95 }, 100);
  expect(sampling).toEqual({ stopTokens: [], temperature: 0.6, topK: 20, topP: 0.95 });
  expect(() => parseGenerationConfig({}, { top_p: 2 }, 100)).toThrow(/top_p/);
});

test('the table of tensors is the checkpoint that the test writer makes', () => {
  for (const tied of [true, false]) {
    const shape = { ...SMALL, tied };
    const expected = expectedTensors(parseConfig(qwen3Config(shape)));
    expect(expected.map(({ name, shape: dims }) => [name, dims])).toEqual(
      qwen3Tensors(shape).map(({ name, shape: dims }) => [name, dims]),
    );
    const groups = [...new Set(expected.map(({ group }) => group))];
    const head = tied ? [] : ['head'];
    expect(groups).toEqual(['embedding', 'layer.0', 'layer.1', 'norm', ...head]);
  }
});

describe('files of a model', () => {
  const file = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const text = (value: string) => new TextEncoder().encode(value);
  const config: [string, Uint8Array] = ['config.json', file(base)];

  test('the template: its own file, then JSON, then the tokenizer configuration', () => {
    const template = (...files: [string, Uint8Array][]) =>
      readModelFiles(new Map([config, ...files])).chatTemplate;
    const inConfig: [string, Uint8Array] = ['tokenizer_config.json', file({ chat_template: 'c' })];
    const inJson: [string, Uint8Array] = ['chat_template.json', file({ chat_template: 'b' })];
    expect(template(inConfig, inJson, ['chat_template.jinja', text('a')])).toBe('a');
    expect(template(inConfig, inJson)).toBe('b');
    expect(template(inConfig)).toBe('c');
    expect(template()).toBeNull();
    const named = [
      { name: 'tool_use', template: 't' },
      { name: 'default', template: 'd' },
    ];
    expect(template(['tokenizer_config.json', file({ chat_template: named })])).toBe('d');
    expect(() => template(['tokenizer_config.json', file({ chat_template: 4 })])).toThrow(
      /chat_template/,
    );
    expect(() => template(['chat_template.jinja', Uint8Array.of(0xff)])).toThrow(/UTF-8/);
  });

  test('JSON that is broken, or no object, is refused with the name of its file', () => {
    const read = (path: string, bytes: Uint8Array) => () =>
      readModelFiles(new Map([config, [path, bytes]]));
    expect(read('tokenizer.json', text('{'))).toThrow(/^tokenizer\.json: not JSON/);
    expect(read('tokenizer.json', text('[]'))).toThrow(/^tokenizer\.json: expected a JSON object/);
    expect(read('config.json', text('{"a":1,"a":2}'))).toThrow(/"a" occurs twice/);
    expect(() => readModelFiles(new Map())).toThrow(/no config\.json/);
  });
});
