/** Checkpoints that are published in fp8: kept byte for byte, with a way back to codes and scales. */
import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootOfBytes } from '@blyan/chain/merkle';
import type { TensorDescriptor } from '@blyan/chain/types';
import type {} from '@blyan/local/test-context';
import { decodeTensor } from '@blyan/model/formats/decode';
import { FORMATS } from '@blyan/model/formats/layout';
import {
  FP8_CONFIG,
  fp8Tensors,
  SMALL,
  type TestCheckpoint,
  type TestTensor,
  writeCheckpoint,
} from '@blyan/model/testing';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { blob, type Network, openNetwork, verified } from './import-support.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
/** Matrices with a rest behind the last whole block, in both directions. */
const shape = { ...SMALL, hidden: 160, intermediate: 200 };

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fp8-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

let count = 0;
const write = (options: TestCheckpoint = {}) =>
  writeCheckpoint(join(dir, String(count++)), {
    shape,
    config: FP8_CONFIG,
    edit: (tensors) => fp8Tensors(tensors),
    ...options,
  });

const scalesFirst = (tensors: TestTensor[]) => [
  ...tensors.filter(({ name }) => name.endsWith('_scale_inv')),
  ...tensors.filter(({ name }) => !name.endsWith('_scale_inv')),
];

async function tensorsOf(network: Network): Promise<TensorDescriptor[]> {
  const blocks = await verified(network);
  return blocks.flatMap((block) => (block.isType('layer') ? block.body.tensors : []));
}

describe.each<[string, TestCheckpoint]>([
  ['scales in bf16', {}],
  ['scales in f32', { edit: (tensors) => fp8Tensors(tensors, 'F32') }],
  [
    'scales in another file, before their tensors',
    { shards: 3, edit: (tensors) => scalesFirst(fp8Tensors(tensors)) },
  ],
])('%s', (_, options) => {
  test('the codes are kept, scales follow them, and both lead back to the source', async () => {
    await using network = await openNetwork(inject('databaseUrl'));
    const target = await write(options);
    await network.importModel(target);
    const names = options.shards
      ? [1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`)
      : ['model.safetensors'];
    const files = new Map<string, Uint8Array>();
    for (const name of names) {
      const bytes = await readFile(join(target, name));
      files.set(sha256(bytes), bytes);
    }
    const read = ({ file, offset, length, root }: TensorDescriptor['source']) => {
      const bytes = files.get(hex(file))!.subarray(offset, offset + length);
      expect(hex(rootOfBytes(bytes))).toBe(hex(root));
      return bytes;
    };
    const tensors = await tensorsOf(network);
    for (const tensor of tensors) {
      const { name, format, dtype, source, recipe } = tensor;
      const stored = await blob(network, tensor.root, tensor.byteLength);
      const raw = read(source);
      if (!name.startsWith('model.layers.') || tensor.shape.length !== 2) {
        expect([dtype, format, recipe.name, hex(stored)]).toEqual([
          'bf16',
          'bf16',
          'raw',
          hex(raw),
        ]);
        expect(source).not.toHaveProperty('scales');
        continue;
      }
      expect([dtype, format, recipe]).toEqual(['fp8', 'fp8', { name: 'raw-fp8', version: 1 }]);
      const scales = read(source.scales!);
      expect(hex(stored.subarray(0, raw.length))).toBe(hex(raw));
      const blocks = Math.ceil(tensor.shape[0]! / 128) * Math.ceil(tensor.shape[1]! / 128);
      const wide = stored.slice(raw.length);
      expect(wide.length).toBe(4 * blocks);
      const narrow = new Uint16Array(new Uint32Array(wide.buffer).map((bits) => bits >>> 16));
      const expected = scales.length === 4 * blocks ? wide : new Uint8Array(narrow.buffer);
      expect(hex(scales)).toBe(hex(expected));
    }
    expect(tensors.filter(({ format }) => format === 'fp8')).toHaveLength(14);
    await using again = await openNetwork(inject('databaseUrl'));
    await again.importModel(target);
    expect(await again.bodies()).toEqual(await network.bodies());
  }, 60_000);
});

test.each(FORMATS)(
  'as %s: made from the values that the scales give',
  async (format) => {
    await using network = await openNetwork(inject('databaseUrl'));
    await using kept = await openNetwork(inject('databaseUrl'));
    const target = await write();
    await network.importModel(target, { format });
    await kept.importModel(target);
    const values = async (of: Network, tensor: TensorDescriptor) =>
      decodeTensor(tensor, await blob(of, tensor.root, tensor.byteLength));
    const exact = new Map<string, Float32Array>();
    for (const tensor of await tensorsOf(kept)) exact.set(tensor.name, await values(kept, tensor));
    for (const tensor of await tensorsOf(network)) {
      if (tensor.dtype !== 'fp8') continue;
      expect(tensor.format).toBe(format);
      expect(tensor.source.scales).toBeDefined();
      const found = await values(network, tensor);
      const all = exact.get(tensor.name)!;
      const largest = all.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
      const bound = { f32: 0, fp8: 0, bf16: 2 ** -8, f16: 2 ** -10, q8: 0.01, q4: 0.15, nf4: 0.16 };
      const worst = all.reduce((max, x, i) => Math.max(max, Math.abs(x - found[i]!)), 0);
      expect(worst).toBeLessThanOrEqual(bound[format] * largest);
      expect(largest).toBeGreaterThan(0.005);
    }
  },
  60_000,
);

describe('refused', () => {
  const without = (name: string) => (tensors: TestTensor[]) =>
    fp8Tensors(tensors).filter((tensor) => !tensor.name.endsWith(name));
  const query = 'model.layers.1.self_attn.q_proj.weight';
  const changed = (change: Partial<TestTensor>) => (tensors: TestTensor[]) =>
    fp8Tensors(tensors).map((tensor) =>
      tensor.name === `${query}_scale_inv` ? { ...tensor, ...change } : tensor,
    );
  test.each<[string, string, RegExp, TestCheckpoint]>([
    ['no scales', 'TENSOR_MISSING', /q_proj.weight_scale_inv/, { edit: without('_scale_inv') }],
    [
      'scales without a tensor in fp8',
      'TENSOR_UNEXPECTED',
      /gate_proj.weight_scale_inv/,
      {
        edit: (tensors) =>
          fp8Tensors(tensors).map((t) =>
            t.name.endsWith('gate_proj.weight') ? { ...t, dtype: 'BF16' } : t,
          ),
      },
    ],
    ['scales of other blocks', 'TENSOR_SHAPE', /128/, { edit: changed({ shape: [1, 1] }) }],
    ['scales of another type', 'TENSOR_SHAPE', /F16/, { edit: changed({ dtype: 'F16' }) }],
    [
      'another kind of fp8',
      'FEATURE_UNSUPPORTED',
      /weight_block_size/,
      { config: { quantization_config: { quant_method: 'fp8' } } },
    ],
  ])('%s', async (_, code, text, options) => {
    await using network = await openNetwork(inject('databaseUrl'));
    const before = await network.state();
    const target = await write(options);
    const refused = network.importModel(target);
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(text) });
    expect(await network.state()).toEqual(before);
  });

  test('NaN among the codes', async () => {
    await using network = await openNetwork(inject('databaseUrl'));
    const target = await write();
    const path = join(target, 'model.safetensors');
    const bytes = await readFile(path);
    const headerBytes = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes));
    await using file = await open(path, 'r+');
    await file.write(
      Uint8Array.of(0xff),
      0,
      1,
      8 + headerBytes + header[query].data_offsets[1] - 1,
    );
    for (const format of [null, 'q4'] as const) {
      await expect(network.importModel(target, { format })).rejects.toMatchObject({
        code: 'VALUE_NOT_FINITE',
        details: { tensor: query },
      });
    }
  });
});
