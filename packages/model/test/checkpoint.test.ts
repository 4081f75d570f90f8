import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint.ts';
import { ModelError } from '../src/errors.ts';
import {
  qwen3Tensors,
  SMALL,
  safetensors,
  type TestCheckpoint,
  writeCheckpoint,
  writeShard,
} from '../src/testing.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'checkpoint-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const refusal = async (): Promise<ModelError> => {
  const error = await openCheckpoint(dir).then(
    () => null,
    (caught: unknown) => caught,
  );
  if (error instanceof ModelError) return error;
  return expect.fail(`expected a ModelError, got ${String(error)}`);
};
const path = (name: string) => fileURLToPath(new URL(`../fixtures/micro/${name}`, import.meta.url));

test('whole and sharded checkpoints, tied and not', async () => {
  for (const tied of [true, false]) {
    for (const shards of [1, 3]) {
      const target = join(dir, `${tied}-${shards}`);
      await writeCheckpoint(target, { shape: { ...SMALL, tied }, shards });
      const checkpoint = await openCheckpoint(target);
      expect(checkpoint.shards.length).toBe(shards);
      expect(checkpoint.tensors.length).toBe(tied ? 24 : 25);
      expect(checkpoint.tensors.every(({ dtype }) => dtype === 'bf16')).toBe(true);
    }
  }
});

test.each([
  ['qwen3-micro', 36],
  ['qwen3-micro-tied', 35],
  ['qwen2-micro', 38],
  ['llama-micro', 29],
  ['llama3-rope-micro', 30],
  ['mistral-micro', 30],
  ['qwen2-untied-micro', 39],
])('the micro checkpoint %s has %i tensors', async (name, count) => {
  expect((await openCheckpoint(path(name))).tensors.length).toBe(count);
});

describe('a config.json that lies about its weights', () => {
  const cases: [comment: string, from: string, code: string, edit: Record<string, unknown>][] = [
    ['more KV heads', 'qwen2-micro', 'TENSOR_SHAPE', { num_key_value_heads: 4 }],
    ['wider heads', 'llama-micro', 'TENSOR_SHAPE', { head_dim: 32 }],
    ['narrower heads', 'mistral-micro', 'TENSOR_SHAPE', { head_dim: null }],
    ['fewer rows', 'llama-micro', 'TENSOR_SHAPE', { vocab_size: 511 }],
    ['a wider MLP', 'mistral-micro', 'TENSOR_SHAPE', { intermediate_size: 256 }],
    ['a layer more', 'llama-micro', 'TENSOR_MISSING', { num_hidden_layers: 4 }],
    ['a layer less', 'llama-micro', 'TENSOR_UNEXPECTED', { num_hidden_layers: 2 }],
    ['no head of its own', 'mistral-micro', 'TIED_HEAD_DIFFERS', { tie_word_embeddings: true }],
    ['a head of its own', 'qwen2-micro', 'TENSOR_MISSING', { tie_word_embeddings: false }],
    [
      'a family without biases',
      'qwen2-micro',
      'TENSOR_UNEXPECTED',
      { architectures: ['LlamaForCausalLM'], model_type: 'llama' },
    ],
    [
      'a family with biases',
      'llama-micro',
      'TENSOR_MISSING',
      { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' },
    ],
    [
      'a family with norms of the heads',
      'llama-micro',
      'TENSOR_MISSING',
      { architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3' },
    ],
  ];
  test.each(cases)('%s: %s, %s', async (_, from, code, edit) => {
    await cp(path(from), dir, { recursive: true });
    const file = join(dir, 'config.json');
    const config = JSON.parse(await readFile(file, 'utf8'));
    const lies = { ...config, layer_types: null, ...edit };
    await writeFile(file, JSON.stringify(lies));
    expect((await refusal()).code).toBe(code);
  });
});

describe('checkpoints that contradict themselves', () => {
  const cases: [comment: string, code: string, text: RegExp, options: TestCheckpoint][] = [
    [
      'a tensor is missing',
      'TENSOR_MISSING',
      /layers\.1\.mlp\.up_proj/,
      { edit: (list) => list.filter(({ name }) => name !== 'model.layers.1.mlp.up_proj.weight') },
    ],
    [
      'a tensor is left over',
      'TENSOR_UNEXPECTED',
      /layers\.2/,
      {
        edit: (list) => [
          ...list,
          { name: 'model.layers.2.mlp.up_proj.weight', dtype: 'BF16', shape: [2] },
        ],
      },
    ],
    [
      'a bias that the family has no place for',
      'TENSOR_UNEXPECTED',
      /q_proj\.bias/,
      {
        edit: (list) => [
          ...list,
          { name: 'model.layers.0.self_attn.q_proj.bias', dtype: 'BF16', shape: [64] },
        ],
      },
    ],
    [
      'a wrong shape',
      'TENSOR_SHAPE',
      /\[96, 65\].*\[96, 64\]/,
      {
        edit: (list) =>
          list.map((t) => (/0\.mlp\.up/.test(t.name) ? { ...t, shape: [96, 65] } : t)),
      },
    ],
    [
      'a transposed shape',
      'TENSOR_SHAPE',
      /\[64, 96\]/,
      {
        edit: (list) =>
          list.map((t) => (/0\.mlp\.up/.test(t.name) ? { ...t, shape: [64, 96] } : t)),
      },
    ],
    ['no head, not tied', 'TENSOR_MISSING', /lm_head/, { edit: (list) => list.slice(0, -1) }],
    [
      'a tied head that differs',
      'TIED_HEAD_DIFFERS',
      /lm_head/,
      { config: { tie_word_embeddings: true } },
    ],
    [
      'an index that names the wrong shard',
      'INDEX_MISMATCH',
      /model\.norm\.weight is in/,
      {
        shards: 2,
        editIndex: (index) => {
          index.weight_map['model.norm.weight'] = index.weight_map['model.embed_tokens.weight']!;
        },
      },
    ],
    [
      'an index that lists what no shard has',
      'INDEX_MISMATCH',
      /lists extra/,
      {
        shards: 2,
        editIndex: (index) => {
          index.weight_map.extra = index.weight_map['model.norm.weight']!;
        },
      },
    ],
    [
      'an index that hides a tensor',
      'INDEX_MISMATCH',
      /nothing about it/,
      { shards: 2, editIndex: (index) => delete index.weight_map['model.norm.weight'] },
    ],
    [
      'a total that is not the sum',
      'INDEX_MISMATCH',
      /total_size/,
      {
        shards: 2,
        editIndex: (index) => {
          index.metadata.total_size++;
        },
      },
    ],
    [
      'an index that leads out of the directory',
      'INDEX_INVALID',
      /beside the index/,
      {
        shards: 2,
        editIndex: (index) => {
          index.weight_map['model.norm.weight'] = '../other.safetensors';
        },
      },
    ],
    [
      'an index that names a file that is not there',
      'FILE_MISSING',
      /gone\.safetensors/,
      {
        shards: 2,
        editIndex: (index) => {
          index.weight_map['model.norm.weight'] = 'gone.safetensors';
        },
      },
    ],
  ];
  test.each(cases)('%s: %s', async (_, code, text, options) => {
    await writeCheckpoint(dir, options);
    const error = await refusal();
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
  });

  test('weights of an unsupported type', async () => {
    await writeCheckpoint(dir);
    const { name, shape } = { name: 'model.embed_tokens.weight', shape: [128, 64] };
    const header = { [name]: { dtype: 'F8_E5M2', shape, data_offsets: [0, 8192] } };
    await writeFile(join(dir, 'model.safetensors'), safetensors(header, new Uint8Array(8192)));
    expect(await refusal()).toMatchObject({
      code: 'DTYPE_UNSUPPORTED',
      details: { dtype: 'F8_E5M2' },
    });
  });

  test('a truncated shard, no weights, both kinds of weights, no config', async () => {
    await writeCheckpoint(dir);
    await truncate(join(dir, 'model.safetensors'), 50_000);
    expect((await refusal()).code).toBe('FILE_TRUNCATED');
    await writeCheckpoint(dir, { shards: 2 });
    expect((await refusal()).code).toBe('CHECKPOINT_INVALID');
    await rm(join(dir, 'model.safetensors'));
    await rm(join(dir, 'model.safetensors.index.json'));
    expect((await refusal()).code).toBe('FILE_MISSING');
    await rm(join(dir, 'config.json'));
    expect((await refusal()).message).toMatch(/config\.json/);
  });
});

test('rotary buffers and a head that repeats the embedding are left out', async () => {
  const shape = { ...SMALL, tied: true };
  await writeCheckpoint(dir, {
    shape,
    edit: (list) => [
      ...list,
      { name: 'model.layers.0.self_attn.rotary_emb.inv_freq', dtype: 'F32', shape: [8] },
    ],
  });
  expect((await openCheckpoint(dir)).tensors.length).toBe(24);

  // Two shards that begin with the same seed and shape hold the same bytes.
  const embedding = { name: 'model.embed_tokens.weight', dtype: 'BF16' as const, shape: [128, 64] };
  const head = { ...embedding, name: 'lm_head.weight' };
  const others = qwen3Tensors(shape).slice(1);
  await rm(join(dir, 'model.safetensors'));
  await writeShard(join(dir, 'a.safetensors'), [embedding, ...others], 5);
  await writeShard(join(dir, 'b.safetensors'), [head], 5);
  const names = [embedding, ...others].map(({ name }) => [name, 'a.safetensors']);
  const index = { weight_map: Object.fromEntries([...names, [head.name, 'b.safetensors']]) };
  await writeFile(join(dir, 'model.safetensors.index.json'), JSON.stringify(index));
  expect((await openCheckpoint(dir)).tensors.length).toBe(24);
});
