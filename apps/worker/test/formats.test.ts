/** Every stored format from the import to the answer, and what the CPU does with 8-bit codes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { resolveModel } from '@blyan/chain/model';
import type { ModelBody, TensorDescriptor } from '@blyan/chain/types';
import { encodeTensor } from '@blyan/model/formats/encode';
import { FORMATS, isQuantized } from '@blyan/model/formats/layout';
import { GraphBuilder } from '@blyan/model/stage/builder';
import { linear } from '@blyan/model/stage/linear';
import { FP8_CONFIG, safetensors } from '@blyan/model/testing';
import { loadTensor } from '@blyan/store/load';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadStage, pickModel } from '../src/engine/load-model.ts';
import { generate } from '../src/engine/runner.ts';
import {
  GREEDY,
  GUIDE,
  type LoadedModel,
  loadModel,
  maxDifference,
  micro,
  readJson,
} from './support/models.ts';
import type { Network } from './support/network.ts';

const TRANSFORMS = {
  f32: ['bf16>f32', 'f32'],
  f16: ['f16>f32'],
  bf16: ['bf16>f32'],
  fp8: ['bf16>f32', 'fp8>q8'],
  q8: ['bf16>f32', 'q8 scales f16>f32'],
  q4: ['bf16>f32', 'q4 scales f16>f32'],
  nf4: ['bf16>f32', 'nf4>q8'],
};

describe('blyan-guide', () => {
  let prompt: number[];
  let expected: number[];
  beforeAll(async () => {
    const { cases } = await readJson<{ cases: { input_ids: number[]; greedy_48: number[] }[] }>(
      join(GUIDE, 'parity.json'),
    );
    prompt = cases[1]!.input_ids;
    expected = cases[1]!.greedy_48;
  });

  it.each(FORMATS)(
    'answers from %s like from f32',
    async (format) => {
      await using model = await loadModel(GUIDE, { format });
      for (const transform of model.transforms) expect(TRANSFORMS[format]).toContain(transform);
      expect(model.matmul).toBe(isQuantized(format) ? 'int8-activations' : 'f32');
      const { tokens } = await generate(model.session, prompt, { ...GREEDY, maxTokens: 24 });
      expect(tokens.slice(0, 8)).toEqual(expected.slice(0, 8));
      if (!isQuantized(format) || format === 'q8') expect(tokens).toEqual(expected.slice(0, 24));
    },
    30_000,
  );

  it.each(['fp8', 'nf4'] as const)(
    'answers from %s without a transcode',
    async (format) => {
      await using model = await loadModel(GUIDE, { format, exact: true });
      expect(model.transforms).toEqual(['bf16>f32', `${format}>f32`]);
      expect(model.matmul).toBe('f32');
      const { tokens } = await generate(model.session, prompt, { ...GREEDY, maxTokens: 8 });
      expect(tokens).toEqual(expected.slice(0, 8));
    },
    30_000,
  );
});

async function firstLogits({ session }: Pick<LoadedModel, 'session'>, ids: number[]) {
  const rows = [ids.length - 1];
  const { logits } = await session.prefill(session.createCache(), { input: { ids }, rows });
  return logits!;
}

describe('a checkpoint that is published in fp8', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fp8-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** The same model with the layers' matrices quantized, as the library that publishes would. */
  async function publish(source: string): Promise<void> {
    const bytes = await readFile(join(source, 'model.safetensors'));
    const length = Number(bytes.readBigUInt64LE());
    const { __metadata__: _, ...entries } = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    const header: Record<string, unknown> = {};
    const parts: Uint8Array[] = [];
    let end = 0;
    const add = (name: string, dtype: string, shape: number[], data: Uint8Array) => {
      header[name] = { dtype, shape, data_offsets: [end, end + data.length] };
      end += data.length;
      parts.push(data);
    };
    for (const [name, entry] of Object.entries<{
      dtype: 'F32' | 'BF16';
      shape: number[];
      data_offsets: [number, number];
    }>(entries)) {
      const { dtype, shape, data_offsets: offsets } = entry;
      const data = bytes.subarray(8 + length + offsets[0], 8 + length + offsets[1]);
      if (!name.startsWith('model.layers.') || shape.length !== 2) {
        add(name, dtype, shape, data);
        continue;
      }
      const from = { name, shape, dtype: dtype === 'F32' ? 'f32' : 'bf16' } as const;
      const stored = encodeTensor(from, 'fp8', data);
      const codes = shape[0]! * shape[1]!;
      const blocks = shape.map((size) => Math.ceil(size / 128));
      add(name, 'F8_E4M3', shape, stored.subarray(0, codes));
      add(`${name}_scale_inv`, 'F32', blocks, stored.subarray(codes));
    }
    await writeFile(join(dir, 'model.safetensors'), safetensors(header, Buffer.concat(parts)));
    const config = await readJson<object>(join(source, 'config.json'));
    await writeFile(join(dir, 'config.json'), JSON.stringify({ ...config, ...FP8_CONFIG }));
    for (const name of ['generation_config.json', 'tokenizer.json', 'chat_template.jinja']) {
      await writeFile(join(dir, name), await readFile(join(source, name)));
    }
  }

  it('has the stored bytes that an import as fp8 makes, and answers alike', async () => {
    const source = micro('qwen3-micro');
    await publish(source);
    await using published = await loadModel(dir);
    await using quantized = await loadModel(source, { format: 'fp8' });
    const roots = ({ network }: LoadedModel) =>
      network.verifier
        .blocks('B')
        .flatMap((block) => (block.isType('layer') ? block.body.tensors : []))
        .filter(({ format, role }) => format === 'fp8' && /^(attention|mlp)\./.test(role))
        .map(({ name, root }) => [name, toHex(root)]);
    expect(roots(published)).toEqual(roots(quantized));
    expect(roots(published)).toHaveLength(21);
    const { cases } = await readJson<{ cases: { input_ids: number[]; logits_last: number[] }[] }>(
      join(source, 'reference.json'),
    );
    for (const { input_ids: ids, logits_last: expected } of cases) {
      expect(maxDifference(await firstLogits(published, ids), expected)).toBeLessThan(1);
    }
  });
});

describe('q4 that was stored in blocks of 32', () => {
  /** Each block of 128 as four with the same scale, without those of padding alone: no weight differs. */
  function cut([rows, columns]: [number, number], bytes: Uint8Array): Uint8Array {
    const [before, after] = [Math.ceil(columns / 128), Math.ceil(columns / 32)];
    const scales = new Uint16Array(bytes.slice(rows * before * 64).buffer);
    const out = new Uint8Array(rows * after * 18);
    const halves = new Uint16Array(out.buffer, rows * after * 16);
    for (let row = 0; row < rows; row++) {
      const from = row * before * 64;
      out.set(bytes.subarray(from, from + after * 16), row * after * 16);
      for (let i = 0; i < after; i++) halves[row * after + i] = scales[row * before + (i >> 2)]!;
    }
    return out;
  }

  /** The same model once more, in smaller blocks by a recipe of that name. */
  async function appendSmaller(
    { verifier, store, append }: Network,
    recipe: string,
  ): Promise<void> {
    const model = pickModel(verifier, 'test');
    const layers: ModelBody['layers'] = [];
    for (const block of resolveModel(model, verifier)) {
      const tensors: TensorDescriptor[] = [];
      for (const tensor of block.body.tensors) {
        const { name, format, shape } = tensor;
        if (format !== 'q4') {
          tensors.push(tensor);
          continue;
        }
        expect(tensor.recipe).toEqual({ name: 'q4-sym-128', version: 1 });
        const { bytes } = await loadTensor({ block, name }, { store, sources: [] });
        const smaller = cut(shape as [number, number], bytes);
        const { root } = await store.put(smaller);
        const stored = { root, byteLength: smaller.length, recipe: { name: recipe, version: 1 } };
        tensors.push({ ...tensor, ...stored });
      }
      const { group } = block.body;
      append('B', 'layer', { group, tensors });
      layers.push({ group, block: verifier.head('B')!.hash });
    }
    append('A', 'model', { ...model.body, name: recipe, layers });
  }

  it('answers as in blocks of 128, and a recipe that is not known is refused', async () => {
    await using model = await loadModel(micro('qwen3-micro'), { format: 'q4' });
    const { verifier, store } = model.network;
    const load = (name: string) =>
      loadStage(
        { verifier, model: pickModel(verifier, name) },
        { store, sources: [] },
        { threads: 1 },
      );
    await appendSmaller(model.network, 'q4-sym-32');
    const { session } = await load('q4-sym-32');
    await using _ = session;
    const ids = [3, 17, 255, 9, 44];
    const expected = await firstLogits(model, ids);
    const found = await firstLogits({ session }, ids);
    // Activations become 8-bit codes in blocks of the same size, so the bits are not the same.
    expect(maxDifference(found, expected)).toBeLessThan(0.5);
    expect(maxDifference(found, expected)).toBeGreaterThan(0);

    await appendSmaller(model.network, 'q4-sym-16');
    await expect(load('q4-sym-16')).rejects.toMatchObject({
      code: 'FORMAT_UNSUPPORTED',
      message: expect.stringMatching(/^model\.\S+ is q4 by the recipe q4-sym-16 1/),
    });
  });
});

/**
 * A CPU without dot-product instructions adds pairs of products in 16 bits, which 8-bit codes at both
 * ends of their range would overflow; the runtime has to avoid it.
 */
describe('products of 8-bit codes', () => {
  const [n, k] = [64, 256];
  const blocks = k / 32;

  async function worst(
    rows: number,
    code: (i: number) => number,
    x: (i: number) => number,
  ): Promise<number> {
    const data = new Uint8Array(n * k).map((_, i) => code(i));
    const scales = new Float32Array(n * blocks).map((_, i) => 0.01 * (1 + (i % 3)));
    const scaleBytes = new Uint8Array(scales.buffer);
    const g = new GraphBuilder();
    g.external('w', data);
    g.external('s', scaleBytes);
    g.weight('w', 'u8', [n, blocks, 32], { path: 'w', offset: 0, length: data.length });
    g.weight('s', 'f32', [n, blocks], { path: 's', offset: 0, length: scaleBytes.length });
    g.input('x', 'f32', ['R', k]);
    const w = {
      kind: 'blocks',
      data: 'w',
      scales: 's',
      bits: 8,
      block: 32,
      shape: [n, k],
    } as const;
    g.output(linear(g, 'y', 'x', { ...w, shape: [n, k] }), 'f32', ['R', n]);
    const { model, externalData } = g.encode('product');
    const session = await InferenceSession.create(model, { externalData, intraOpNumThreads: 1 });
    const input = new Float32Array(rows * k).map((_, i) => x(i));
    const { y } = await session.run({ x: new Tensor('float32', input, [rows, k]) });
    await session.release();
    const found = y!.data as Float32Array;
    let error = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        let size = 0;
        for (let i = 0; i < k; i++) {
          const at = column * k + i;
          const product = input[row * k + i]! * (data[at]! - 128) * scales[at >> 5]!;
          sum += product;
          size += Math.abs(product);
        }
        error = Math.max(error, Math.abs(sum - found[row * n + column]!) / size);
      }
    }
    return error;
  }

  const odd = (i: number) => i & 1;
  const noise = (i: number) => ((Math.imul(i + 1, 0x9e3779b1) >>> 8) % 1000) / 999;
  it.each<[string, (i: number) => number, (i: number) => number]>([
    ['largest codes, largest activations', () => 255, () => 1],
    ['smallest codes, largest activations', () => 0, () => 1],
    ['smallest codes, smallest activations', () => 0, () => -1],
    ['both ends by turns', (i) => 255 * odd(i), (i) => 2 * odd(i) - 1],
    ['both ends by chance', (i) => 255 * Math.round(noise(i)), (i) => 2 * odd(i >> 2) - 1],
  ])('%s: exact but for rounding to f32', async (_, code, x) => {
    // Kernels differ by how many rows there are.
    for (const rows of [1, 2, 5, 16]) expect(await worst(rows, code, x)).toBeLessThan(1e-6);
  });

  it('any codes: within what int8 activations lose', async () => {
    const code = (i: number) => Math.floor(noise(i) * 255);
    for (const rows of [1, 2, 5, 16]) {
      expect(await worst(rows, code, (i) => 2 * noise(7 * i) - 1)).toBeLessThan(1 / 254);
    }
  });
});
