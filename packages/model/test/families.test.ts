/** What config.json of each family may say, beside what config.test.ts has for all of them. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type ModelConfig, parseConfig } from '../src/config.ts';
import { ModelError } from '../src/errors.ts';
import { expectedTensors } from '../src/families/families.ts';

type Config = Record<string, unknown>;

const CHECKPOINTS = {
  qwen2: 'qwen2-micro',
  qwen3: 'qwen3-micro',
  llama: 'llama-micro',
  mistral: 'mistral-micro',
} as const;
type FamilyName = keyof typeof CHECKPOINTS;

const bases = new Map<FamilyName, Config>();
for (const [name, checkpoint] of Object.entries(CHECKPOINTS)) {
  const file = new URL(`../fixtures/micro/${checkpoint}/config.json`, import.meta.url);
  bases.set(name as FamilyName, JSON.parse(await readFile(file, 'utf8')));
}

/** The micro checkpoint's config with other fields; `undefined` takes one out. */
const parse = (family: FamilyName, edit: Config): ModelConfig =>
  parseConfig({ ...bases.get(family), ...edit });

const refusal = (family: FamilyName, edit: Config): ModelError => {
  try {
    parse(family, edit);
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  return expect.fail('it was accepted');
};

const rolesOfLayer = (config: ModelConfig) =>
  expectedTensors(config)
    .filter(({ group }) => group === 'layer.0')
    .map(({ role, shape }) => `${role} ${shape.join('x')}`);

describe('tensors', () => {
  const MATRICES = [
    'attention.norm 64',
    'attention.query 64x64',
    'attention.key 32x64',
    'attention.value 32x64',
    'attention.output 64x64',
    'mlp.norm 64',
    'mlp.gate 160x64',
    'mlp.up 160x64',
    'mlp.down 64x160',
  ];

  test('llama has matrices and norms, qwen2 also biases', () => {
    expect(rolesOfLayer(parse('llama', {}))).toEqual(MATRICES);
    const qwen2 = rolesOfLayer(parse('qwen2', {}));
    expect(qwen2.filter((role) => !role.includes('bias'))).toEqual(MATRICES);
    expect(qwen2.filter((role) => role.includes('bias'))).toEqual([
      'attention.query_bias 64',
      'attention.key_bias 32',
      'attention.value_bias 32',
    ]);
  });

  test('a head is a tensor unless it is tied, and tied it is only when the config says so', () => {
    for (const family of ['qwen2', 'llama', 'mistral'] as const) {
      const roles = (tied: unknown) =>
        expectedTensors(parse(family, { tie_word_embeddings: tied })).map(({ role }) => role);
      expect(roles(true)).not.toContain('head');
      expect(roles(false)).toContain('head');
      expect(roles(undefined)).toContain('head');
    }
  });
});

describe('what may be left out', () => {
  test.each(['qwen2', 'llama', 'mistral'] as const)('%s: head_dim', (family) => {
    for (const absent of [null, undefined]) {
      expect(parse(family, { head_dim: absent }).headDim).toBe(16);
    }
    expect(parse(family, { head_dim: 32 }).headDim).toBe(32);
    const odd = { head_dim: null, hidden_size: 66 };
    expect(refusal(family, odd).message).toMatch(/hidden_size is 66; expected a multiple/);
  });

  test('llama: the number of KV heads and theta, as in the first published configs', () => {
    const first = { num_key_value_heads: undefined, rope_parameters: undefined };
    expect(parse('llama', first)).toMatchObject({
      kvHeads: 4,
      rope: { type: 'default', theta: 10_000 },
    });
    for (const family of ['qwen2', 'qwen3', 'mistral'] as const) {
      const without = { num_key_value_heads: undefined };
      expect(refusal(family, without).message).toMatch(/num_key_value_heads is absent/);
    }
  });
});

describe('rope', () => {
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128 };
  const llama3 = {
    ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
    original_max_position_embeddings: 64,
  };
  const older = (scaling: Config): Config => ({
    rope_parameters: undefined,
    rope_theta: 10_000,
    rope_scaling: scaling,
  });

  test.each([yarn, llama3, { rope_type: 'linear', factor: 2.5 }])('both styles: %j', (scaling) => {
    const { rope } = parse('llama', { rope_parameters: { rope_theta: 10_000, ...scaling } });
    expect(rope).toMatchObject({ type: scaling.rope_type, theta: 10_000, factor: scaling.factor });
    const { rope_type: type, ...rest } = scaling;
    for (const written of [scaling, { type, ...rest }]) {
      expect(parse('llama', older(written)).rope).toEqual(rope);
      const both = { ...older(written), rope_parameters: { rope_theta: 10_000, ...scaling } };
      expect(parse('llama', both).rope).toEqual(rope);
    }
  });

  test("yarn's defaults", () => {
    expect(parse('llama', older({ type: 'yarn', factor: 4, finetuned: true })).rope).toEqual({
      ...{ type: 'yarn', theta: 10_000, factor: 4, betaFast: 32, betaSlow: 1, truncate: true },
      attentionFactor: 0.1 * Math.log(4) + 1,
      originalContext: 512,
    });
  });

  const cases: [comment: string, code: string, text: RegExp, scaling: Config][] = [
    [
      'an unknown type',
      'FEATURE_UNSUPPORTED',
      /rope_scaling\.rope_type = "dynamic".*default, linear, llama3, yarn/,
      { type: 'dynamic', factor: 2 },
    ],
    ['a type that is no text', 'FEATURE_UNSUPPORTED', /rope_type = \[\]/, { type: [] }],
    ['a name of Object', 'FEATURE_UNSUPPORTED', /"constructor"/, { type: 'constructor' }],
    [
      'a field of another type',
      'FEATURE_UNSUPPORTED',
      /rope_scaling\.short_factor.*rope type linear has no such field/,
      { type: 'linear', factor: 2, short_factor: [1] },
    ],
    [
      'one for each type of layer',
      'FEATURE_UNSUPPORTED',
      /rope_scaling\.full_attention/,
      { full_attention: { rope_type: 'default' } },
    ],
    ['no factor', 'CONFIG_INVALID', /rope_scaling\.factor is absent/, { type: 'linear' }],
    [
      'a factor that speeds up',
      'CONFIG_INVALID',
      /factor is 0\.5; expected a number from 1/,
      { type: 'linear', factor: 0.5 },
    ],
    ['a factor as text', 'CONFIG_INVALID', /factor is "2"/, { ...yarn, factor: '2' }],
    [
      'llama3 without its original context',
      'CONFIG_INVALID',
      /original_max_position_embeddings is absent/,
      { ...llama3, original_max_position_embeddings: null },
    ],
    [
      'llama3 with crossed bounds',
      'CONFIG_INVALID',
      /high_freq_factor is 1; expected more than 1/,
      { ...llama3, high_freq_factor: 1 },
    ],
    ['yarn with crossed bounds', 'CONFIG_INVALID', /beta_fast/, { ...yarn, beta_fast: 0.5 }],
    ['truncate as text', 'CONFIG_INVALID', /truncate/, { ...yarn, truncate: 'no' }],
    [
      'an attention factor of 0',
      'CONFIG_INVALID',
      /attention_factor/,
      { ...yarn, attention_factor: 0 },
    ],
  ];
  test.each(cases)('refused: %s: %s', (_, code, text, scaling) => {
    const error = refusal('llama', older(scaling));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
  });

  test('two that contradict each other', () => {
    const both = { rope_theta: 10_000, rope_scaling: yarn, rope_parameters: llama3 };
    expect(refusal('llama', both).message).toMatch(/rope_parameters.*same as rope_scaling/);
    const beside = { ...older(yarn), original_max_position_embeddings: 256 };
    expect(refusal('llama', beside).message).toMatch(/original_max_position_embeddings is 256/);
  });
});

describe('sliding windows', () => {
  const flagged = { use_sliding_window: true, sliding_window: 128 };
  const full = ['full_attention', 'full_attention', 'full_attention'];
  const mixed = ['full_attention', 'sliding_attention', 'full_attention'];

  const accepted: [comment: string, family: FamilyName, edit: Config][] = [
    ['a window that is not in use', 'qwen2', { use_sliding_window: false, sliding_window: 128 }],
    ['a window without the flag', 'qwen3', { use_sliding_window: undefined, sliding_window: 128 }],
    ['as long as the context', 'qwen2', { ...flagged, sliding_window: 512, layer_types: null }],
    ['for no layer', 'qwen2', { ...flagged, layer_types: null, max_window_layers: 3 }],
    ['for no listed layer', 'qwen2', { ...flagged, layer_types: full, max_window_layers: 0 }],
    ['none', 'mistral', { sliding_window: null }],
    ['as long as the context', 'mistral', { sliding_window: 512 }],
    ['the default, longer than the context', 'mistral', { sliding_window: undefined }],
  ];
  test.each(accepted)('accepted: %s (%s)', (_, family, edit) => {
    expect(parse(family, edit).context).toBe(512);
  });

  const refused: [comment: string, family: FamilyName, text: RegExp, edit: Config][] = [
    [
      'one position short of the context',
      'qwen2',
      /sliding_window = 511: sliding-window attention is not served/,
      { ...flagged, sliding_window: 511, layer_types: null, max_window_layers: 0 },
    ],
    [
      'for the last layer',
      'qwen3',
      /sliding_window = 128/,
      { ...flagged, layer_types: null, max_window_layers: 2 },
    ],
    [
      'for nobody knows which layers',
      'qwen2',
      /sliding_window = 128/,
      { ...flagged, layer_types: null, max_window_layers: undefined },
    ],
    ['for a listed layer', 'qwen2', /sliding_window = 128/, { ...flagged, layer_types: mixed }],
    ['of a listed layer, not in use', 'qwen2', /layer_types/, { layer_types: mixed }],
    ['of a Mistral', 'mistral', /sliding_window = 128/, { sliding_window: 128 }],
    [
      'of a Mistral by default',
      'mistral',
      /sliding_window = 4096/,
      { sliding_window: undefined, max_position_embeddings: 32_768 },
    ],
    ['of a Llama', 'llama', /sliding_window = 128/, { sliding_window: 128 }],
  ];
  test.each(refused)('refused: %s (%s)', (_, family, text, edit) => {
    const error = refusal(family, edit);
    expect(error.code).toBe('FEATURE_UNSUPPORTED');
    expect(error.message).toMatch(text);
  });

  test('a window that is no number, a flag that is none', () => {
    expect(refusal('mistral', { sliding_window: '4096' }).code).toBe('CONFIG_INVALID');
    expect(refusal('qwen2', { use_sliding_window: 'yes' }).code).toBe('CONFIG_INVALID');
  });
});

test('attention in chunks, as of contexts of a million positions, is refused by name', () => {
  const { code, message } = refusal('qwen2', { dual_chunk_attention_config: { chunk_size: 64 } });
  expect(code).toBe('FEATURE_UNSUPPORTED');
  expect(message).toMatch(/dual_chunk_attention_config/);
});

test.each([
  ['llama', 'attention_bias'],
  ['llama', 'mlp_bias'],
  ['qwen3', 'attention_bias'],
  ['qwen2', 'use_mrope'],
  ['mistral', 'attention_bias'],
] as const)('%s with %s is refused by name', (family, field) => {
  expect(parse(family, { [field]: null }).family).toBe(family);
  expect(parse(family, { [field]: false }).family).toBe(family);
  const { code, message } = refusal(family, { [field]: true });
  expect(code).toBe('FEATURE_UNSUPPORTED');
  expect(message).toContain(field);
});
